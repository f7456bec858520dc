"""The probability that masks (or hides) the asked fraction at each length, from a formula or by simulation."""

import logging
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from scipy.optimize import brentq
from torch import Tensor

from genomask.errors import SettingsError
from genomask.masking.built import BuiltStrategy
from genomask.masking.rates.simulation import Simulation

log = logging.getLogger(__name__)

VERSION = 10
"""Raise when a change here or in any strategy changes the solutions."""
MOST_TOKENS_MASKED = 0.5
"""match="bases" is refused where it would mask a larger fraction of tokens: little would be left to learn from."""
ENOUGH = 1e-3
"""The search ends where the fraction is off by less than this part of the rate."""
MOST_OFF = 0.01
"""A rate that is missed by more than this part of it is refused."""


def solve(name: str, masked: Callable[[float, int], float], lengths: Iterable[tuple[int, int]], rate: float) -> Tensor:
    """Probabilities by number of bases, of a strategy that has a formula for the fraction of tokens `masked`.

    `masked` takes a probability and a number of tokens; lengths are pairs of tokens and bases, and fall. Raises
    SettingsError where no probability gives the rate.
    """
    n_tokens, n_bases = zip(*lengths, strict=True)
    return _table(n_bases, [_root(name, masked, n, rate) for n in n_tokens])


def _root(name: str, masked: Callable[[float, int], float], n_tokens: int, rate: float) -> float:
    """The probability at which the fraction `masked` is the rate, or is as near to it as can be told."""
    ends = 0.0, 1 - 1e-12
    least, most = (masked(end, n_tokens) for end in ends)
    if least > rate or most < rate:
        nearest = min((least, most), key=lambda fraction: abs(fraction - rate))
        if abs(nearest - rate) > ENOUGH * rate:
            raise SettingsError(_cannot_give(name, n_tokens, rate, "tokens", nearest))
        return ends[nearest == most]
    return float(brentq(lambda probability: masked(probability, n_tokens) - rate, *ends, xtol=1e-15, rtol=1e-8))


def calibrate(strategy: BuiltStrategy, simulations: Iterable[Simulation], rate: float, match: str) -> Tensor:
    """Probabilities by number of bases, by simulation at lengths that fall.

    Raises SettingsError where the strategy cannot give the rate, and warns where too little was simulated to tell.
    """
    lengths, solved, probability = [], [], 0.0
    for simulation in simulations:
        probability = _solve(strategy, simulation, probability or rate / 8, rate, match)
        lengths.append(simulation.n_bases)
        solved.append(probability)
    return _table(lengths, solved)


def require_literal(strategy: BuiltStrategy, simulations: Iterable[Simulation], rate: float) -> None:
    """Refuse a strategy that does not mask no token where its probability is 0, or all where it is 1."""
    for simulation in simulations:
        (fraction, _), _ = simulation.fractions(strategy, rate)
        if abs(fraction - rate) > ENOUGH:
            raise SettingsError(_cannot_give(strategy.spec.name, simulation.n_tokens, rate, "tokens", fraction))


def _table(lengths: Sequence[float], solved: Sequence[float]) -> Tensor:
    """Probabilities by number of bases (the last for all longer), from those at lengths that fall.

    What the two ends do to a fraction falls with 1 / length, so the probability is nearly linear in that between them.
    """
    at = np.arange(round(lengths[0]) + 1).clip(min=lengths[-1])
    return torch.from_numpy(np.interp(1 / at, 1 / np.array(lengths), solved))


def _solve(strategy: BuiltStrategy, simulation: Simulation, probability: float, rate: float, match: str) -> float:
    """The probability that gives the asked fraction, from a first guess: secant steps in a shrinking bracket.

    In terms of the logarithms of the probability and of -ln(1 - fraction) the way is nearly straight.
    """
    name, low, high, slope = strategy.spec.name, 1e-9, 1.0, 1.0
    before: tuple[float, float] | None = None
    for _ in range(40):
        tokens_masked, bases_hidden = simulation.fractions(strategy, probability)
        fraction, error = tokens_masked if match == "tokens" else bases_hidden
        low, high = (probability, high) if fraction < rate else (low, probability)
        if abs(fraction - rate) < ENOUGH * rate or high - low < ENOUGH * high:
            break
        here = np.log(probability), np.log(-np.log1p(-np.clip(fraction, 1e-9, 1 - 1e-9)))
        if before and here[0] != before[0]:
            slope = max(0.2, (here[1] - before[1]) / (here[0] - before[0]))
        before = here
        step = np.exp(here[0] + (np.log(-np.log1p(-rate)) - here[1]) / slope)
        probability = step if low < step < high else (low * high) ** 0.5
    if match == "bases" and tokens_masked.mean > MOST_TOKENS_MASKED:
        raise SettingsError(
            f"hiding {_percent(rate)} of the bases would mask more than {MOST_TOKENS_MASKED:.0%} of the tokens with "
            f"{name!r} (at {_percent(tokens_masked.mean)} of tokens it hides {_percent(fraction)}); ask for a lower "
            "mask_rate, or use match='tokens'."
        )
    if abs(fraction - rate) > max(MOST_OFF * rate, 4 * error):
        raise SettingsError(_cannot_give(name, simulation.n_tokens, rate, match, fraction))
    if error > MOST_OFF * rate:
        log.warning(
            "the rate of %r is known to %s of it only: %s of the %s is little to simulate, in sequences of %d tokens",
            name, f"{error / rate:.0%}", _percent(rate), match, simulation.n_tokens,
        )  # fmt: skip
    return float(probability)


def _cannot_give(name: str, n_tokens: int, rate: float, match: str, fraction: float) -> str:
    return (
        f"masking strategy {name!r} cannot give {_percent(rate)} of the {match} in sequences of {n_tokens} "
        f"tokens: the nearest is {_percent(fraction)}; ask for another mask_rate, or take its own rate by match='none'."
    )


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.3g} %"
