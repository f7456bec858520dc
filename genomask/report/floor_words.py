"""Says in words which floors are not beaten: the rows of `fewshot.floor_test` in, a table and a sentence out.

`fewshot`, `compare` and the demo print both; nothing else says whether a floor was beaten.
"""

import numpy as np
import pandas as pd

from genomask.errors import counted
from genomask.fewshot.methods import ASKED, PRETRAINED
from genomask.report.frames import signed

NO_FLOOR = (
    "No floor was measured, so nothing here shows what these accuracies are worth: ask for some of "
    f"{', '.join(word for word in ASKED if word not in PRETRAINED)}."
)
FIRST = "The best of the measured floors and always guessing, and the 95 % t interval of the difference from it"
CHOSEN = "Because these scores chose it, it counts as better only beyond a Bonferroni-corrected interval."
MOST_FIGURES = 4
"""Most cells that a sentence gives figures for; of more, it gives only the names, and the table has the figures."""

WINS, UNDECIDED, UNTESTED, BEATEN = "floor wins", "not beaten", "no interval", "beaten"
_SAID = {
    WINS: "The floor wins against {}.",
    UNDECIDED: "The floor is not beaten beyond noise by {}.",
    UNTESTED: "There is no interval against the floor for {}.",
    BEATEN: "The floor is beaten by {}.",
}


def outcomes(table: pd.DataFrame) -> list[str]:
    """What each row's interval says about the floor."""
    return [_outcome(row) for _, row in table.iterrows()]


def all_beaten(table: pd.DataFrame) -> bool:
    """True if there is a floor and every row is above it beyond noise."""
    return len(table) > 0 and set(outcomes(table)) == {BEATEN}


def floor_frame(table: pd.DataFrame) -> pd.DataFrame:
    """The table as read: one row per cell, what was measured beside the best floor, and what follows."""
    shown = pd.DataFrame(
        {
            "task": table["task"],
            "strategy": table["strategy"],
            "method": table["method"],
            "shots": table["shot"],
            "accuracy, %": [f"{100 * x:.1f}" for x in table["accuracy"]],
            "best floor": [
                f"{name} {100 * x:.1f}" for name, x in zip(table["floor"], table["floor_accuracy"], strict=True)
            ],
            "points above it": [_difference(row) for _, row in table.iterrows()],
            "the floor is": [{WINS: "better"}.get(outcome, outcome) for outcome in outcomes(table)],
        }
    )
    return shown if table["task"].nunique() > 1 else shown.drop(columns="task")


def floor_caption(table: pd.DataFrame) -> str:
    """What the intervals are over."""
    if set(table["unit"]) == {"seed"}:
        return f"{FIRST}, paired over pretraining seeds. {CHOSEN}"
    over = "draws" if set(table["unit"]) == {"draw"} else "draws where there are fewer than 3 seeds, else over seeds"
    return f"{FIRST}, paired over {over}. {CHOSEN} Intervals over draws are about these checkpoints, not their recipes."


def floor_sentence(table: pd.DataFrame) -> str:
    """Where the best floor wins, is not beaten beyond noise, was not tested, and is beaten, in this order."""
    if table.empty:
        return NO_FLOOR
    several = table["strategy"].nunique() > 1
    if all_beaten(table):
        least = table.loc[[table["difference"].idxmin()]]
        return f"The best floor is beaten everywhere, most narrowly by {_named(least, several)}."
    found = pd.Series(outcomes(table), index=table.index)
    parts = {outcome: table[found == outcome] for outcome in _SAID}
    return " ".join(_SAID[outcome].format(_named(rows, several)) for outcome, rows in parts.items() if len(rows))


def _outcome(row: pd.Series) -> str:
    if not np.isfinite(row["half_width"]):
        return UNTESTED
    if row["difference"] > row["half_width"]:
        return BEATEN
    return WINS if row["difference"] < -row["half_width_bonferroni"] else UNDECIDED


def _named(rows: pd.DataFrame, several: bool) -> str:
    """`the random-span probe at 50 shots (kmer-logreg: −2.1 [−3.0, −1.2] points)`, joined; `several` strategies."""
    groups = rows.groupby(["task", "strategy", "method"], sort=False)
    return "; ".join(
        f"the {f'{strategy} ' if several else ''}{method} at {_shots(group, len(rows) <= MOST_FIGURES)}"
        for (_, strategy, method), group in groups
    )


def _shots(rows: pd.DataFrame, with_figures: bool) -> str:
    if not with_figures:
        return _listed([*map(str, rows["shot"][:-1]), counted(rows["shot"].iloc[-1], "shot")])
    return _listed(
        [
            f"{counted(row['shot'], 'shot')} ({row['floor']}: {_difference(row, ' points')})"
            for _, row in rows.iterrows()
        ]
    )


def _difference(row: pd.Series, unit: str = "") -> str:
    mean, half = 100 * row["difference"], 100 * row["half_width"]
    if not np.isfinite(half):
        return f"{signed(mean)}{unit}, {row['note']}"
    interval = f"{signed(mean)} [{signed(mean - half)}, {signed(mean + half)}]{unit}"
    return f"{interval}, {row['note']}" if row["note"] else interval


def _listed(texts: list[str]) -> str:
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"
