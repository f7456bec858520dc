"""Is the floor beaten? Each pretrained method against the best floor of its task and shot.

In: rows of results.csv. Out: one row a (strategy, method, task, shot): its score, the best floor's, and their paired
difference. The best floor is chosen by the same scores it is then held by, which can only favour the floor.
"""

from typing import Any

import numpy as np
import pandas as pd

from genomask.fewshot.methods import PRETRAINED
from genomask.fewshot.statistics import MIN_SEEDS, Difference, paired_by_seed, paired_over_draws

CELL = ["strategy", "method", "task", "shot"]
COLUMNS = [*CELL, "accuracy", "floor", "floor_accuracy", "unit", *Difference._fields]

Scores = dict[int, pd.Series]
"""Pretraining seed -> accuracy by draw; a floor that knows no seed has the seed -1."""


def against_floors(results: pd.DataFrame) -> pd.DataFrame:
    """A row for each cell of a pretrained method whose task and shot have a floor; `unit`: what is paired.

    Draws are paired where fewer than MIN_SEEDS pretraining seeds were measured (the difference then speaks of these
    checkpoints, not of their recipe), else seeds, each averaged over its draws.
    """
    own = results["method"].isin(PRETRAINED)
    floors = {cell: _scores(rows) for cell, rows in results[~own].groupby(["task", "shot", "method"], sort=False)}
    rows = []
    for cell, measured in results[own].groupby(CELL, sort=False):
        known = {floor[2]: scores for floor, scores in floors.items() if floor[:2] == cell[2:]}
        if known:
            best = max(known, key=lambda name: _mean(known[name]))
            rows.append([*cell, *_held_against(_scores(measured), best, known[best])])
    return pd.DataFrame(rows, columns=COLUMNS)


def _held_against(scores: Scores, name: str, floor: Scores) -> list[Any]:
    unit = "seed" if len(scores) >= MIN_SEEDS else "draw"
    pair = paired_by_seed if unit == "seed" else paired_over_draws
    pairs = {seed: (own, floor.get(seed, floor.get(-1))) for seed, own in scores.items()}
    differences = {seed: own - other for seed, (own, other) in pairs.items() if other is not None}
    if unit == "seed":
        by_unit = {seed: float(draws.mean()) for seed, draws in differences.items()}
    else:
        by_unit = pd.DataFrame(differences).mean(axis=1, skipna=False).to_dict()
    return [_mean(scores), name, _mean(floor), unit, *pair(by_unit, dict.fromkeys(by_unit, 0.0))]


def _scores(rows: pd.DataFrame) -> Scores:
    return {seed: own.groupby("draw")["accuracy"].mean() for seed, own in rows.groupby("pretraining_seed")}


def _mean(scores: Scores) -> float:
    return float(np.mean([own.mean() for own in scores.values()]))
