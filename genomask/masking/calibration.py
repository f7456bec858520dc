"""Find by simulation the chance that masks (or hides) the asked share of sequences of each length.

Letters: n sequences of L bases each, simulated; C control variates.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from scipy.interpolate import PchipInterpolator
from torch import Tensor

from genomask.errors import SettingsError
from genomask.hashing import below, hash64, uniform
from genomask.masking import streams
from genomask.masking.hidden import base_grid, bases_under
from genomask.types import TokenBases

VERSION = 1
"""Raise when a change here or in any strategy changes the solutions."""
LONGEST = 512
N_LENGTHS = 10
TOKENS_PER_LENGTH = 600_000
MOST_TOKENS_MASKED = 0.5
"""match="bases" is refused where it would mask a larger share of tokens: little would be left to learn from."""


class Selects(Protocol):
    """A strategy, as far as calibration needs it."""

    def select(self, input_ids: Tensor, cu_seqlens: Tensor, keys: Tensor) -> Tensor:
        """(T,) numbers of spans."""


def calibrate(at_chance: Callable[[Tensor], Selects], tokens: TokenBases, rate: float, match: str) -> Tensor:
    """(LONGEST + 1,) chances by number of bases; solved at a few lengths and interpolated smoothly between them."""
    most = (LONGEST - tokens.k) // tokens.stride + 1
    n_tokens = sorted({round(n) for n in np.geomspace(1, most, N_LENGTHS)})
    lengths = [(n - 1) * tokens.stride + tokens.k for n in n_tokens]
    solved = [_solve(at_chance, tokens, n, rate, match) for n in n_tokens]
    through = PchipInterpolator(np.log(lengths), np.log(solved))
    at = np.clip(np.arange(LONGEST + 1), lengths[0], lengths[-1])
    return torch.from_numpy(np.exp(through(np.log(at))))


def _solve(at_chance: Callable[[Tensor], Selects], tokens: TokenBases, n_tokens: int, rate: float, match: str) -> float:
    """The chance for sequences of n_tokens tokens: secant steps in logarithms, kept inside a shrinking bracket."""
    simulation = _Simulation(tokens, n_tokens)
    low, high = 1e-9, 1.0
    chance, slope = rate / tokens.k, 1.0
    before: tuple[float, float] | None = None
    for _ in range(40):
        tokens_masked, bases_hidden = simulation.shares(at_chance, chance)
        share = tokens_masked if match == "tokens" else bases_hidden
        if match == "bases" and tokens_masked > MOST_TOKENS_MASKED and share < rate:
            raise SettingsError(
                f"hiding {rate:.1%} of the bases would mask more than {MOST_TOKENS_MASKED:.0%} of the tokens with this "
                f"strategy (at {tokens_masked:.0%} of tokens it hides {share:.1%}); ask for a lower mask_rate, or use "
                "match='tokens'."
            )
        if abs(share - rate) < 1e-3 * rate:
            break
        low, high = (chance, high) if share < rate else (low, chance)
        here = np.log(chance), np.log(-np.log1p(-np.clip(share, 1e-9, 1 - 1e-9)))
        if before and here[0] != before[0]:
            slope = max(0.2, (here[1] - before[1]) / (here[0] - before[0]))
        before = here
        step = np.exp(here[0] + (np.log(-np.log1p(-rate)) - here[1]) / slope)
        chance = step if low < step < high else (low * high) ** 0.5
    return float(chance)


class _Simulation:
    """Sequences of one length, of independent and equally likely bases, and the same draws for every chance tried."""

    def __init__(self, tokens: TokenBases, n_tokens: int) -> None:
        n = -(-TOKENS_PER_LENGTH // n_tokens)
        self.length = (n_tokens - 1) * tokens.stride + tokens.k
        self.keys = hash64(torch.arange(n), 1, torch.tensor(n_tokens))
        codes = below(hash64(self.keys[:, None], 2, torch.arange(self.length)), 4)
        powers = 4 ** torch.arange(tokens.k - 1, -1, -1)
        self.input_ids = tokens.kmer_ids[(codes.unfold(1, tokens.k, tokens.stride) * powers).sum(2)].flatten()
        self.cu_seqlens = torch.arange(n + 1) * n_tokens
        self.grid = base_grid(self.input_ids, self.cu_seqlens, tokens)
        self.centre_draw = uniform(self.keys[:, None], streams.CENTRE, torch.arange(self.length))
        self.k, self.stride = tokens.k, tokens.stride

    def shares(self, at_chance: Callable[[Tensor], Selects], chance: float) -> tuple[float, float]:
        """Mean share of tokens masked and of bases hidden."""
        strategy = at_chance(torch.tensor([chance], dtype=torch.float64))
        masked = strategy.select(self.input_ids, self.cu_seqlens, self.keys) > 0
        per_sequence = (x.view(len(self.keys), -1).double().mean(1) for x in (masked, bases_under(masked, self.grid)))
        controls = self._controls(chance)
        tokens_masked, bases_hidden = (_expectation(y, controls) for y in per_sequence)
        return tokens_masked, bases_hidden

    def _controls(self, chance: float) -> Tensor:
        """(n, C) figures of each sequence whose expectation is known to be 0: they explain most of the noise.

        They are made of the centres: how many there are, their square, the number of long spans (half, rounded up),
        and the share of tokens that a centre covers.
        """
        centre = self.centre_draw < chance
        m = centre.sum(1).double()
        mean = self.length * chance
        odd = (1 - (1 - 2 * chance) ** self.length) / 2
        covered = centre.unfold(1, self.k, self.stride).any(2).double().mean(1)
        columns = (
            m - mean,
            (m - mean) ** 2 - mean * (1 - chance),
            m % 2 - odd,
            covered - (1 - (1 - chance) ** self.k),
        )
        return torch.stack(columns, 1)


def _expectation(y: Tensor, controls: Tensor) -> float:
    """Mean of y (n,) where every control were 0, its expectation: the intercept of their regression."""
    design = torch.cat([torch.ones(len(y), 1, dtype=torch.float64), controls], 1)
    return float(torch.linalg.lstsq(design, y[:, None], driver="gelsd").solution[0])
