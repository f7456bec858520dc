"""A table of few-shot scores with and without the test sequences that were found in the pool or in pretraining."""

import pandas as pd
from rich.table import Table

from genomask.errors import counted
from genomask.report.frames import plus_minus, signed
from genomask.report.tables import rich_table

TITLE = "Accuracy, %, with and without test sequences that may have been seen"
FOUND = (
    "Found: test sequences that are in the training pool or in what pretraining could see, whole or by 32 bases in "
    "a row on either strand."
)


def leak_table(scores: pd.DataFrame, n_test: int, n_found: int, n_unknown: int) -> Table:
    """`scores` as `fewshot.correct.accuracy_by_leak` makes them; `n_unknown` measurements are not among them."""
    return rich_table(leak_frame(scores, n_test, n_found), TITLE, leak_caption("draws", n_unknown))


def leak_frame(scores: pd.DataFrame, n_test: int, n_found: int) -> pd.DataFrame:
    """The same as short texts; with one more column for several strategies."""
    strategies = {"strategy": scores["strategy"]} if "strategy" in scores else {}
    return pd.DataFrame(
        {
            **strategies,
            "method": scores["method"],
            "shots": scores["shot"],
            f"all {n_test:,}": _per_cent(scores["all"]),
            f"without the {n_found:,} found": _per_cent(scores["without"]),
            "these alone": _per_cent(scores["alone"]),
            "points they add": [
                _points(mean, half) for mean, half in zip(scores["gained"], scores["half_width"], strict=True)
            ],
        }
    )


def suite_leak_frame(scores: pd.DataFrame) -> pd.DataFrame:
    """The same for several tasks and models, whose columns `task`, `model` and `found` are kept."""
    return scores[["task", "model", "found", "method"]].assign(
        **{
            "all": _per_cent(scores["all"]),
            "without these": _per_cent(scores["without"]),
            "these alone": _per_cent(scores["alone"]),
            "points they add": [signed(100 * gained) if pd.notna(gained) else "" for gained in scores["gained"]],
        }
    )


def leak_caption(over: str, n_unknown: int) -> str:
    """What was looked for, and what the interval is `over`."""
    caption = (
        f"{FOUND} The points they add: accuracy over all minus accuracy without them, with a 95 % t interval over "
        f"{over}."
    )
    if n_unknown:
        caption += (
            f" Left out: {counted(n_unknown, 'measurement')} of an earlier version, which did not record which answers "
            "were right."
        )
    return caption


def _per_cent(values: pd.Series) -> list[str]:
    return [plus_minus(value, float("nan")) if pd.notna(value) else "" for value in values]


def _points(mean: float, half_width: float) -> str:
    if pd.isna(mean):
        return ""
    return signed(100 * mean) + (f" ± {100 * half_width:.1f}" if pd.notna(half_width) else "")
