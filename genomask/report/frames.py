"""From measurements to what is shown: frames of numbers in, frames of short texts and sentences out.

The terminal, the page and the pictures all show these, so that a figure reads the same wherever it stands. Accuracies
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


def over_seeds(summary: pd.DataFrame) -> pd.DataFrame:
    """One row a (strategy, task, shot, method): accuracy and half_width, over seeds where there are several.

    `summary` has the rows of summary.csv. With one seed the interval is over draws; with two there is none (NaN); with
    more it is over seeds, the unit of replication. A floor has the strategy `-`, counts once rather than once an arm,
    and comes last in its task.
    """
    is_floor = ~summary["method"].isin(PRETRAINED)
    rows = summary.assign(
        strategy=summary["strategy"].astype(str).mask(is_floor, "-"),
        pretraining_seed=summary["pretraining_seed"].mask(summary["method"].isin(WITHOUT_MODEL), -1),  # knows no seed
    ).drop_duplicates(["strategy", "pretraining_seed", "task", "shot", "method"])
    groups = rows.groupby(["strategy", "task", "shot", "method"], sort=False)
    table = pd.DataFrame([dict(zip(groups.keys, key, strict=True)) | _pooled(group) for key, group in groups])
    rank = list(zip(pd.factorize(table["task"])[0], table["strategy"] == "-", strict=True))
    return table.iloc[sorted(range(len(table)), key=lambda at: rank[at])].reset_index(drop=True)


def fewshot_frame(summary: pd.DataFrame) -> pd.DataFrame:
    """The few-shot table as read: a row a task, strategy and method, a column a shot, cells like `97.9 ± 0.5`."""
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

    `verdict` is what `fewshot.statistics.compare_arms` returns. `arms` has a row a strategy: `strategy`, `accuracy`
    (averaged over what the verdict averages), `tokens_masked_fraction`, `bases_hidden_fraction`,
    `eval_bits_per_hidden_base`.
    """
    words = {row["strategy"]: verdict_words(row) for _, row in verdict.iterrows()} | {control: "the control"}
    ordered = pd.concat([arms[arms["strategy"] == control], arms[arms["strategy"] != control]])
    return pd.DataFrame(
        {
            "masking": ordered["strategy"],
            "accuracy, %": [f"{100 * x:.1f}" for x in ordered["accuracy"]],
            f"points above {control}": [words.get(name, "no score") for name in ordered["strategy"]],
            "tokens masked": [f"{100 * x:.1f} %" for x in ordered["tokens_masked_fraction"]],
            "bases hidden": [f"{100 * x:.2f} %" for x in ordered["bases_hidden_fraction"]],
            "bits per hidden base": [_bits(x) for x in ordered["eval_bits_per_hidden_base"]],
        }
    ).reset_index(drop=True)


def verdict_words(row: pd.Series) -> str:
    """`+1.3 [+0.4, +2.2], p 0.012` in points, p after Holm; or the difference and why it was not tested."""
    mean, half = 100 * row["difference"], 100 * row["half_width"]
    if not np.isfinite(half):
        return f"{signed(mean)}, {row['note']}" if np.isfinite(mean) else row["note"]
    p = "p < 0.001" if row["p_holm"] < 0.001 else f"p {row['p_holm']:.3f}"
    return f"{signed(mean)} [{signed(mean - half)}, {signed(mean + half)}], {p}"


def verdict_sentence(verdict: pd.DataFrame, control: str, level: float = 0.05) -> str:
    """The comparison in one sentence: which arms differ from the control, and for which none was shown."""
    tested = verdict[np.isfinite(verdict["half_width"])]
    if tested.empty:
        seen = "; ".join(f"{row['strategy']} {verdict_words(row)}" for _, row in verdict.iterrows())
        return f"No difference to {control} was tested. Points of accuracy seen above it: {seen}."
    is_real = (tested["p_holm"] < level).reindex(verdict.index, fill_value=False)
    parts = [
        f"{row['strategy']} {'beats' if row['difference'] > 0 else 'falls behind'} {control}: {verdict_words(row)}"
        for _, row in verdict[is_real].sort_values("difference", ascending=False).iterrows()
    ]
    if len(parts) < len(verdict):
        first = "no" if parts else "No"
        parts.append(f"{first} difference to {control} was shown for {', '.join(verdict['strategy'][~is_real])}")
    return f"{'; '.join(parts)} (points of accuracy, p after Holm)."


def pretraining_frame(runs: Mapping[str, tuple[Sequence[Mapping[str, Any]], Mapping[str, Any]]]) -> pd.DataFrame:
    """Scores beside their baselines, a row a strategy; `runs`: strategy -> rows of metrics.jsonl, baselines."""
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
    """A baseline, or nothing where the run has none of that name."""
    value = baselines.get(name)
    return "" if value is None else f"{value:.{digits}f}"


def plus_minus(mean: float, half_width: float) -> str:
    """`97.9 ± 0.5` in per cent; the mean alone where there is no interval."""
    return f"{100 * mean:.1f}" + (f" ± {100 * half_width:.1f}" if np.isfinite(half_width) else "")


def signed(points: float) -> str:
    """One decimal with its sign, with the minus of typesetting."""
    return f"{points:+.1f}".replace("-", "\N{MINUS SIGN}")


def _pooled(rows: pd.DataFrame) -> dict[str, float]:
    """Rows of one strategy, task, shot and method, a row a seed: their mean and the half width that may be shown."""
    if len(rows) == 1:
        half_width = float(rows["accuracy_half_width"].iloc[0])
    else:
        half_width = mean_interval(rows["accuracy"]).half_width if len(rows) >= MIN_SEEDS else float("nan")
    return {"accuracy": float(rows["accuracy"].mean()), "half_width": half_width, "n_seeds": len(rows)}
