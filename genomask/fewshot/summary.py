"""From measurements to the table people read: one row per model, task, shot and method, with its interval over draws.

In: the rows of results.csv. Out: the rows of summary.csv, and the captions that say what the intervals mean.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from genomask.fewshot.draws import draws_overlap
from genomask.fewshot.floors import Guess
from genomask.fewshot.metrics import METRICS
from genomask.fewshot.statistics import MIN_SEEDS, mean_interval

GROUP = ["model", "strategy", "pretraining_seed", "task", "shot", "method"]

INTERVAL_CAPTION = (
    "Mean over draws of the training examples, plus or minus a 95 % t interval: this model, this pool and this test. "
    "No interval for a single draw, such as one that takes all examples."
)
SEEDS_CAPTION = (
    "Mean over draws of the training examples and over pretraining seeds, plus or minus a 95 % t interval over seeds, "
    f"which needs {MIN_SEEDS} or more; for floors without seeds, over draws. All on this pool and this test."
)
FEW_DRAWS = 5
FEW_CAPTION = (
    f"Fewer than {FEW_DRAWS} draws: a t interval over so few is wide (over two, 13 standard errors on either side); "
    "ask for more draws (--draws 20)."
)
OVERLAP_CAPTION = "draws overlap: the draws share examples of the pool, so the interval is narrower than it should be."


def summarise(results: pd.DataFrame, smallest_class: Mapping[str, int], *, whole: bool = False) -> pd.DataFrame:
    """One row per group: n_draws, draws_overlap, n_train, n_test, then mean and half_width of each metric.

    `smallest_class` is the size of each task's rarest class in the pool; `whole`: each row trained on all of it.
    `accuracy_test_error` is one standard error of the mean accuracy from the sampling of the test set; all rows of a
    task share it.
    """
    return pd.DataFrame([_row(key, rows, smallest_class, whole) for key, rows in results.groupby(GROUP, sort=False)])


def _row(key: tuple[Any, ...], rows: pd.DataFrame, smallest_class: Mapping[str, int], whole: bool) -> dict[str, Any]:
    row = dict(zip(GROUP, key, strict=True))
    n_draws, n_test = len(rows), int(rows["n_test"].iloc[0])
    row |= {
        "n_draws": n_draws,
        "draws_overlap": draws_overlap(smallest_class[row["task"]], row["shot"], n_draws, whole=whole),
        "n_train": int(rows["n_train"].iloc[0]),
        "n_test": n_test,
    }
    for metric in METRICS:
        interval = mean_interval(rows[metric])
        row |= {metric: interval.mean, f"{metric}_half_width": interval.half_width}
    row["accuracy_test_error"] = float(np.sqrt(row["accuracy"] * (1 - row["accuracy"]) / n_test))
    return row


def captions(summary: pd.DataFrame, guesses: Mapping[str, Guess]) -> list[str]:
    """The sentences to print under a table made of these rows; `guesses`: task -> what always guessing gets."""
    has_seeds = summary.groupby("strategy")["pretraining_seed"].nunique().max() > 1
    lines = [
        SEEDS_CAPTION if has_seeds else INTERVAL_CAPTION,
        *([FEW_CAPTION] if not has_seeds and summary["n_draws"].between(2, FEW_DRAWS - 1).any() else []),
        *([OVERLAP_CAPTION] if not has_seeds and summary["draws_overlap"].any() else []),
    ]
    for task, rows in summary.groupby("task", sort=False):
        worst, guess = rows["accuracy_test_error"].max(), guesses.get(task)
        guessing = f" always guessing {guess.name} gets {100 * guess.accuracy:.1f} %;" if guess else ""
        lines.append(
            f"{task}: {rows['n_test'].iloc[0]} test sequences;{guessing} their sampling adds a standard error of up to "
            f"{100 * worst:.1f} points to any accuracy here, shared by all rows."
        )
    return lines
