"""Find by simulation the chance that masks (or hides) the asked share of sequences of each length."""

from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor

from genomask.errors import SettingsError
from genomask.masking.registry import Strategy
from genomask.masking.simulation import Simulation

VERSION = 5
"""Raise when a change here or in any strategy changes the solutions."""
MOST_TOKENS_MASKED = 0.5
"""match="bases" is refused where it would mask a larger share of tokens: little would be left to learn from."""
ENOUGH = 1e-3
"""The search ends where the share is off by less than this part of the rate."""
MOST_OFF = 0.01
"""A rate that is missed by more than this part of it is refused."""

AtChance = Callable[[Tensor], Strategy]
"""The strategy with the given chances by number of bases."""


def calibrate(name: str, at_chance: AtChance, simulations: Iterable[Simulation], rate: float, match: str) -> Tensor:
    """Chances by number of bases (the last for all longer), solved at the lengths simulated, which fall.

    What the two ends do to a share falls with 1 / length, so the chance is nearly linear in that between them.
    Raises SettingsError where the strategy called `name` cannot give the rate.
    """
    lengths, solved, chance = [], [], 0.0
    for simulation in simulations:
        chance = _solve(name, simulation, at_chance, chance or rate / 8, rate, match)
        lengths.append(simulation.n_bases)
        solved.append(chance)
    at = np.arange(round(lengths[0]) + 1).clip(min=lengths[-1])
    return torch.from_numpy(np.interp(1 / at, 1 / np.array(lengths), solved))


def _solve(name: str, simulation: Simulation, at_chance: AtChance, chance: float, rate: float, match: str) -> float:
    """The chance that gives the asked share, from a first guess: secant steps in a shrinking bracket.

    In terms of the logarithms of the chance and of -ln(1 - share) the way is nearly straight.
    """
    low, high, slope = 1e-9, 1.0, 1.0
    before: tuple[float, float] | None = None
    for _ in range(40):
        tokens_masked, bases_hidden = simulation.shares(at_chance, chance)
        share, error = tokens_masked if match == "tokens" else bases_hidden
        if match == "bases" and tokens_masked.mean > MOST_TOKENS_MASKED and share < rate:
            raise SettingsError(
                f"hiding {rate:.1%} of the bases would mask more than {MOST_TOKENS_MASKED:.0%} of the tokens with "
                f"{name!r} (at {tokens_masked.mean:.0%} of tokens it hides {share:.1%}); ask for a lower mask_rate, or "
                "use match='tokens'."
            )
        low, high = (chance, high) if share < rate else (low, chance)
        if abs(share - rate) < ENOUGH * rate or high - low < ENOUGH * high:
            break
        here = np.log(chance), np.log(-np.log1p(-np.clip(share, 1e-9, 1 - 1e-9)))
        if before and here[0] != before[0]:
            slope = max(0.2, (here[1] - before[1]) / (here[0] - before[0]))
        before = here
        step = np.exp(here[0] + (np.log(-np.log1p(-rate)) - here[1]) / slope)
        chance = step if low < step < high else (low * high) ** 0.5
    if abs(share - rate) > max(MOST_OFF * rate, 4 * error):  # few windows make the share jump by about its error
        raise SettingsError(
            f"masking strategy {name!r} cannot give {rate:.1%} of the {match} in sequences of {simulation.n_tokens} "
            f"tokens: the nearest is {share:.1%}; ask for another mask_rate, or take its own rate by match='none'."
        )
    return float(chance)
