"""From measurements to what is shown: frames of numbers in, frames of short texts and sentences out.

The terminal, the page and the pictures all show these, so that a figure reads the same everywhere. Accuracies
and differences come as fractions and are shown in per cent and in points.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from genomask.errors import counted
from genomask.fewshot.methods import PRETRAINED, WITHOUT_MODEL
from genomask.fewshot.statistics import MIN_SEEDS, mean_interval
from genomask.report.meaning import LOSS, last_scores

VERDICT_CAPTION = (
    "Difference from the control, averaged over tasks and shots, paired by pretraining seed: 95 % t interval of each "
    "arm alone, not adjusted; p of a paired t test after Holm over arms. Accuracy: over the seeds that an arm shares "
    "with the control. Tokens masked and bases hidden are what training really did."
)
LEVEL = 0.05
"""A difference counts as shown if its p after Holm is below this."""


def over_seeds(summary: pd.DataFrame) -> pd.DataFrame:
    """One row per (strategy, task, shot, method): accuracy and half_width, over seeds where there are several.

    `summary` has the rows of summary.csv. With one seed the interval is over draws; with two there is none (NaN); with
    more it is over seeds, the unit of replication. A floor has the strategy `-`, counts once rather than once per arm,
    and comes last in its task.
    """
    is_floor = ~summary["method"].isin(PRETRAINED)
    rows = summary.assign(
        strategy=summary["strategy"].astype(str).mask(is_floor, "-"),
        pretraining_seed=summary["pretraining_seed"].mask(summary["method"].isin(WITHOUT_MODEL), -1),  # no seed
    ).drop_duplicates(["strategy", "pretraining_seed", "task", "shot", "method"])
    groups = rows.groupby(["strategy", "task", "shot", "method"], sort=False)
    table = pd.DataFrame([dict(zip(groups.keys, key, strict=True)) | _pooled(group) for key, group in groups])
    rank = list(zip(pd.factorize(table["task"])[0], table["strategy"] == "-", strict=True))
    return table.iloc[sorted(range(len(table)), key=lambda at: rank[at])].reset_index(drop=True)


def fewshot_frame(summary: pd.DataFrame) -> pd.DataFrame:
    """The few-shot table as read: one row per task, strategy and method, a column per shot, cells like `97.9 ± 0.5`."""
    table = over_seeds(summary)
    cells = table.assign(
        cell=[plus_minus(mean, half) for mean, half in zip(table["accuracy"], table["half_width"], strict=True)],
        shot=[counted(shot, "shot") for shot in table["shot"]],
        row=table.groupby(["task", "strategy", "method"], sort=False).ngroup(),
    )
    shots = [counted(shot, "shot") for shot in sorted(table["shot"].unique())]
    names = ["task", "strategy", "method"]
    wide = cells.pivot_table(index=["row", *names], columns="shot", values="cell", aggfunc="first")
    return wide.reindex(columns=shots).fillna("").reset_index(names).rename_axis(columns=None)[[*names, *shots]]


def verdict_frame(verdict: pd.DataFrame, arms: pd.DataFrame, control: str) -> pd.DataFrame:
    """The verdict as read, the control first.

    `verdict` is what `fewshot.statistics.compare_arms` returns. `arms` has one row per strategy: `strategy`, `accuracy`
    (averaged over what the verdict averages) and `control_accuracy` over the same seeds, `tokens_masked_fraction`,
    `bases_hidden_fraction`, `eval_bits_per_hidden_base`.
    """
    words = {row["strategy"]: verdict_words(row) for _, row in verdict.iterrows()} | {control: "the control"}
    ordered = pd.concat([arms[arms["strategy"] == control], arms[arms["strategy"] != control]])
    accuracies = zip(ordered["accuracy"], ordered["control_accuracy"], strict=True)
    of_control = ordered["accuracy"].iloc[0]
    return pd.DataFrame(
        {
            "masking": ordered["strategy"],
            "accuracy, %": [_accuracy(own, there, of_control) for own, there in accuracies],
            f"points above {control}": [words.get(name, "no score") for name in ordered["strategy"]],
            "tokens masked": [f"{100 * x:.1f} %" for x in ordered["tokens_masked_fraction"]],
            "bases hidden": [f"{100 * x:.2f} %" for x in ordered["bases_hidden_fraction"]],
            "bits per hidden base": [_bits(x) for x in ordered["eval_bits_per_hidden_base"]],
        }
    ).reset_index(drop=True)


def _accuracy(own: float, control_there: float, control: float) -> str:
    """An arm's accuracy; where it lacks seeds of the control, beside it the control's over the seeds compared."""
    if not np.isfinite(own):
        return ""
    is_of_all = np.isclose(control_there, control, rtol=0, atol=1e-12)
    return f"{100 * own:.1f}" + ("" if is_of_all else f" (the control there: {100 * control_there:.1f})")


def verdict_words(row: pd.Series) -> str:
    """`+1.3 [+0.4, +2.2], p 0.012, 3 seeds` in points, p after Holm, and any note; or why it was not tested."""
    mean, half = 100 * row["difference"], 100 * row["half_width"]
    if not np.isfinite(half):
        return f"{signed(mean)}, {row['note']}" if np.isfinite(mean) else row["note"]
    p = "p < 0.001" if row["p_holm"] < 0.001 else f"p {row['p_holm']:.3f}"
    interval = f"{signed(mean)} [{signed(mean - half)}, {signed(mean + half)}]"
    return ", ".join(filter(None, (interval, p, counted(row["n"], "seed"), row["note"])))


def verdict_sentence(verdict: pd.DataFrame, control: str, method: str) -> str:
    """A method's comparison in words: which arms differ from the control, and for which none was shown or tested."""
    is_tested = np.isfinite(verdict["half_width"])
    if not is_tested.any():
        seen = "; ".join(f"{row['strategy']} {verdict_words(row)}" for _, row in verdict.iterrows())
        return f"By {method}, no difference from {control} was tested. Points of accuracy seen above it: {seen}."
    is_real = is_tested & (verdict["p_holm"] < LEVEL)
    parts = [
        f"{row['strategy']} {'beats' if row['difference'] > 0 else 'falls behind'} {control}: {verdict_words(row)}"
        for _, row in verdict[is_real].sort_values("difference", ascending=False).iterrows()
    ]
    if (is_open := is_tested & ~is_real).any():
        parts.append(f"no difference from {control} was shown for {', '.join(verdict['strategy'][is_open])}")
    said = f"By {method}, {'; '.join(parts)} (points of accuracy, p after Holm)."
    untested = [_untested(row) for _, row in verdict[~is_tested].iterrows()]
    return f"{said} Not tested: {', '.join(untested)}." if untested else said


def _untested(row: pd.Series) -> str:
    """`genemask (+5.1, 2 seeds)`."""
    seen = [signed(100 * row["difference"])] if np.isfinite(row["difference"]) else []
    return f"{row['strategy']} ({', '.join([*seen, row['note'].removeprefix('not tested: ')])})"


def pretraining_frame(runs: Mapping[str, tuple[Sequence[Mapping[str, Any]], Mapping[str, Any]]]) -> pd.DataFrame:
    """Scores beside their baselines, one row per strategy; `runs`: strategy -> rows of metrics.jsonl, baselines."""
    table = []
    for strategy, (rows, baselines) in runs.items():
        mean = last_scores(rows).mean
        row = {
            "masking": strategy,
            "loss": f"{mean[LOSS]:.3f}",
            "flank floor": _number(baselines, "flank_floor_nats", 3),
        }
        for item, words in (("single", "one base"), ("six", "six in a row")):
            row[f"bits, {words}"] = _bits(mean.get(f"eval_bits_per_hidden_base_{item}"))
            row[f"order-0, {words}"] = _number(baselines, f"order_0_bits_{item}", 4)
            row[f"order-5, {words}"] = _number(baselines, f"order_5_bits_{item}", 4)
        table.append(row)
    return pd.DataFrame(table)


def _bits(value: float | None) -> str:
    return "not reported" if value is None or np.isnan(value) else f"{value:.4f}"


def _number(baselines: Mapping[str, float | None], name: str, digits: int) -> str:
    """A baseline, or nothing if the run has none of that name."""
    value = baselines.get(name)
    return "" if value is None else f"{value:.{digits}f}"


def plus_minus(mean: float, half_width: float) -> str:
    """`97.9 ± 0.5` in per cent; the mean alone where there is no interval."""
    return f"{100 * mean:.1f}" + (f" ± {100 * half_width:.1f}" if np.isfinite(half_width) else "")


def signed(points: float) -> str:
    """One decimal with its sign, with a typographic minus."""
    return f"{points:+.1f}".replace("-", "\N{MINUS SIGN}")


def _pooled(rows: pd.DataFrame) -> dict[str, float]:
    """Rows of one strategy, task, shot and method, one per seed: their mean and the half width that may be shown."""
    if len(rows) == 1:
        half_width = float(rows["accuracy_half_width"].iloc[0])
    else:
        half_width = mean_interval(rows["accuracy"]).half_width if len(rows) >= MIN_SEEDS else float("nan")
    return {"accuracy": float(rows["accuracy"].mean()), "half_width": half_width}
