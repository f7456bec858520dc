"""Intervals and tests of few-shot scores: over draws for one model, over pretraining seeds for two strategies.

In: rows of results.csv. Out: means, 95 % t intervals, paired differences, p values corrected by Holm's method.
The pretraining seed is the unit of replication: the draw-averaged score of a seed is one observation, and arms that
share a seed are paired. A difference that cannot be tested says why in `note`, and has no interval and no p.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

CONFIDENCE = 0.95
MIN_SEEDS = 3

CHECKPOINTS_CAPTION = "these two checkpoints, not their recipes"
"""For any test over draws: it is about two sets of weights, not about what made them."""


class Interval(NamedTuple):
    """A mean and the half width of its 95 % t interval, NaN for fewer than two values."""

    mean: float
    half_width: float
    n: int


class Difference(NamedTuple):
    """A paired difference, arm minus control; half_width and p are NaN where `note` says why it was not tested."""

    difference: float
    half_width: float
    p: float
    n: int
    note: str


def mean_interval(values: np.ndarray | pd.Series) -> Interval:
    """Mean and t interval of the values that are not NaN."""
    kept = np.asarray(values, dtype=np.float64)
    kept = kept[~np.isnan(kept)]
    if len(kept) < 2:
        return Interval(float(kept.mean()) if len(kept) else float("nan"), float("nan"), len(kept))
    half_width = stats.t.ppf(0.5 + CONFIDENCE / 2, len(kept) - 1) * kept.std(ddof=1) / np.sqrt(len(kept))
    return Interval(float(kept.mean()), float(half_width), len(kept))


def paired_by_seed(arm: Mapping[int, float], control: Mapping[int, float]) -> Difference:
    """Difference of two arms over the pretraining seeds both have; one score per seed, already averaged over draws.

    A seed that either lacks is left out and named. Fewer than 3 seeds are not tested.
    """
    return _tested(paired(arm, control), unit="seed", at_least=MIN_SEEDS)


def paired_over_draws(arm: Mapping[int, float], control: Mapping[int, float]) -> Difference:
    """Difference of two given checkpoints over the draws both have; to be shown with CHECKPOINTS_CAPTION."""
    return _tested(paired(arm, control), unit="draw", at_least=2)


def holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's step-down adjusted p values; NaN (not tested) stays NaN and does not count in the family."""
    p = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(p.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    steps = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def seed_scores(results: pd.DataFrame, method: str, metric: str) -> pd.DataFrame:
    """Draw-averaged scores: one row per (strategy, pretraining_seed), one column per cell (task, shot).

    A cell that lacks draws that another arm has is NaN: averages over different draws are not comparable.
    """
    rows = results[results["method"] == method]
    table = rows.pivot_table(
        index=["strategy", "pretraining_seed"], columns=["task", "shot"], values=metric, aggfunc=["mean", "count"]
    )
    counts = table["count"].fillna(0)
    return table["mean"].where(counts == counts.max())


def arm_scores(results: pd.DataFrame, method: str, metric: str = "accuracy") -> pd.Series:
    """One number per (strategy, pretraining_seed), averaged over tasks and shots; NaN where a cell is missing."""
    return seed_scores(results, method, metric).mean(axis=1, skipna=False)


def compare_arms(results: pd.DataFrame, control: str, method: str, metric: str = "accuracy") -> pd.DataFrame:
    """The primary test: one number per arm, its difference from the control averaged over tasks and shots.

    Out: strategy, difference, half_width, p, n, note, p_holm (over arms). A seed that lacks a cell is left out.
    """
    averaged = arm_scores(results, method, metric)
    return _against_control({(arm,): averaged[arm].to_dict() for arm in _arms(averaged)}, control, ["strategy"])


def compare_cells(results: pd.DataFrame, control: str, method: str, metric: str = "accuracy") -> pd.DataFrame:
    """The secondary tests: one difference for each arm, task and shot; p_holm is over all of them."""
    scores = seed_scores(results, method, metric)
    cells = {(arm, *cell): scores[cell][arm].to_dict() for arm in _arms(scores) for cell in scores.columns}
    return _against_control(cells, control, ["strategy", "task", "shot"])


def _arms(scores: pd.DataFrame | pd.Series) -> list[str]:
    return list(scores.index.get_level_values("strategy").unique())


def _against_control(scores: dict[tuple[Any, ...], dict[int, float]], control: str, names: list[str]) -> pd.DataFrame:
    """One row for each key whose first part is not the control, against the control's scores of the same cell."""
    rows = []
    for key, arm in scores.items():
        if key[0] != control:
            difference = paired_by_seed(arm, scores.get((control, *key[1:]), {}))
            rows.append(dict(zip(names, key, strict=True)) | difference._asdict())
    table = pd.DataFrame(rows, columns=[*names, *Difference._fields])
    return table.assign(p_holm=holm(table["p"].to_numpy()))


def paired(arm: Mapping[int, float], control: Mapping[int, float]) -> pd.DataFrame:
    """A row for each seed or draw that either has: the scores `arm` and `control`, NaN where one is missing."""
    return pd.DataFrame({"arm": pd.Series(arm, dtype=float), "control": pd.Series(control, dtype=float)}).sort_index()


def _tested(pairs: pd.DataFrame, unit: str, at_least: int) -> Difference:
    """t interval and paired t test of the differences, or a note that says why there is none."""
    by_unit = pairs["arm"] - pairs["control"]
    differences, left_out = by_unit.dropna().to_numpy(), by_unit.index[by_unit.isna()].tolist()
    n = len(differences)
    mean = float(differences.mean()) if n else float("nan")
    said = f"left out: {unit} {', '.join(map(str, left_out))}" if left_out else ""
    why = ""
    if n < at_least:
        why = f"not tested: {n} {unit}{'' if n == 1 else 's'}"
    elif np.ptp(differences) <= 1e-12:  # rounding: no spread, so the t statistic has no meaning
        why = f"not tested: the same difference for all {n} {unit}s"
    if why:
        return Difference(mean, float("nan"), float("nan"), n, "; ".join(filter(None, (why, said))))
    interval = mean_interval(differences)
    p = float(stats.ttest_1samp(differences, 0.0).pvalue)
    return Difference(mean, interval.half_width, p, n, said)
