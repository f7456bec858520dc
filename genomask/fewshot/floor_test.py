"""Is the floor beaten? Each pretrained method against the best floor of its task and shot.

In: rows of results.csv. Out: one row per (strategy, method, task, shot): its score, the best floor's, and their paired
difference. The best floor is chosen by the scores that it is then compared on, which can only favour it. So a beaten
floor needs no correction, but a winning one needs Bonferroni's, for the number of floors it was chosen from.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from genomask.fewshot.floors import Guess
from genomask.fewshot.methods import PRETRAINED
from genomask.fewshot.statistics import CONFIDENCE, MIN_SEEDS, Difference, paired_by_seed, paired_over_draws

CELL = ["strategy", "method", "task", "shot"]
COLUMNS = [*CELL, "floor", "accuracy", "floor_accuracy", "unit", *Difference._fields, "half_width_bonferroni"]

Scores = dict[int, pd.Series]
"""Pretraining seed -> accuracy by draw; a floor without seeds has the seed -1."""


def against_floors(results: pd.DataFrame, guesses: Mapping[str, Guess]) -> pd.DataFrame:
    """One row for each cell of a pretrained method whose task and shot have a floor; `unit`: what is paired.

    Draws are paired where fewer than MIN_SEEDS pretraining seeds can be (the difference is then about these
    checkpoints, not their recipe), else seeds, each averaged over its draws. Accuracies are over what is paired.
    `guesses`: what always guessing gets in a task; it then counts as one of the task's floors.
    """
    own = results["method"].isin(PRETRAINED)
    floors = {cell: _scores(rows) for cell, rows in results[~own].groupby(["task", "shot", "method"], sort=False)}
    rows = []
    for cell, measured in results[own].groupby(CELL, sort=False):
        known = {floor[2]: scores for floor, scores in floors.items() if floor[:2] == cell[2:]}
        if known and cell[2] in guesses:
            guess = guesses[cell[2]]
            known[f"always guessing {guess.name}"] = {-1: pd.Series(guess.accuracy, measured["draw"].unique())}
        if known:
            rows.append([*cell, *_held_against(_scores(measured), known)])
    return pd.DataFrame(rows, columns=COLUMNS)


def _held_against(scores: Scores, floors: Mapping[str, Scores]) -> list[Any]:
    """The best floor's name, and the columns after it."""
    pairs = {name: _pairs(scores, floor) for name, floor in floors.items()}
    name = max(pairs, key=lambda name: np.nan_to_num(pairs[name].dropna()["floor"].mean(), nan=-1.0))
    shared = pairs[name].dropna()
    unit = "seed" if shared.index.get_level_values("seed").nunique() >= MIN_SEEDS else "draw"
    found = _difference(pairs[name], unit)
    wider = _t_quantile(found.n, len(floors)) / _t_quantile(found.n, 1)
    return [name, *shared.mean(), unit, *found, found.half_width * wider]


def _pairs(scores: Scores, floor: Scores) -> pd.DataFrame:
    """One row per (seed, draw): the accuracies `own` and `floor`, NaN where one is missing."""
    seeds = {seed: pd.DataFrame({"own": own, "floor": floor.get(seed, floor.get(-1))}) for seed, own in scores.items()}
    return pd.concat(seeds, names=["seed", "draw"]).astype(float)


def _difference(pairs: pd.DataFrame, unit: str) -> Difference:
    """Own minus floor; a seed that the floor lacks entirely is left out and named."""
    gains = pairs["own"] - pairs["floor"]
    by_seed = gains.groupby("seed").mean()
    if unit == "seed":
        return paired_by_seed(by_seed.to_dict(), dict.fromkeys(by_seed.index, 0.0))
    kept = by_seed.dropna().index
    by_draw = gains[gains.index.isin(kept, level="seed")].unstack("seed").mean(axis=1, skipna=False)
    found = paired_over_draws(by_draw.to_dict(), dict.fromkeys(by_draw.index, 0.0))
    left_out = [str(seed) for seed in by_seed.index.difference(kept)]
    notes = [found.note, *([f"left out: seed {', '.join(left_out)}"] if left_out else [])]
    return found._replace(note="; ".join(filter(None, notes)))


def _t_quantile(n: int, floors: int) -> float:
    """Standard errors from the mean of n values to either end of an interval that holds for all `floors` at once."""
    return float(stats.t.ppf(1 - (1 - CONFIDENCE) / 2 / floors, n - 1))


def _scores(rows: pd.DataFrame) -> Scores:
    return {seed: own.groupby("draw")["accuracy"].mean() for seed, own in rows.groupby("pretraining_seed")}
