"""Find by simulation the chance that masks (or hides) the asked share of sequences of each length.

Letters: n sequences of L bases each, simulated; C control variates.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from genomask.errors import SettingsError
from genomask.hashing import below, hash64, uniform
from genomask.masking import streams
from genomask.masking.hidden import base_grid, bases_under
from genomask.masking.registry import Strategy
from genomask.types import TokenBases

VERSION = 1
"""Raise when a change here or in any strategy changes the solutions."""
LENGTHS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 32, 60, 120, 250, 505, 4000)
"""Tokens in the simulated sequences: dense where the ends of a sequence matter most."""
TOKENS_PER_LENGTH = 300_000
MOST_SEQUENCES = 50_000
MOST_TOKENS_MASKED = 0.5
"""match="bases" is refused where it would mask a larger share of tokens: little would be left to learn from."""


def calibrate(at_chance: Callable[[Tensor], Strategy], tokens: TokenBases, rate: float, match: str) -> Tensor:
    """Chances by number of bases (the last for all longer), solved at a few lengths.

    What the two ends do to a share falls with 1 / length, so the chance is nearly linear in that between them.
    """
    lengths, solved, chance = [], [], rate / tokens.k
    for n_tokens in reversed(LENGTHS):
        simulation = _Simulation(tokens, n_tokens)
        chance = _solve(simulation, at_chance, chance, rate, match)
        lengths.append(simulation.length)
        solved.append(chance)
    at = np.arange(lengths[0] + 1).clip(min=lengths[-1])
    return torch.from_numpy(np.interp(1 / at, 1 / np.array(lengths), solved))


def _solve(
    simulation: "_Simulation", at_chance: Callable[[Tensor], Strategy], chance: float, rate: float, match: str
) -> float:
    """The chance that gives the asked share, from a first guess: secant steps in a shrinking bracket.

    In terms of the logarithms of the chance and of -ln(1 - share) the way is nearly straight.
    """
    low, high, slope = 1e-9, 1.0, 1.0
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
        low, high = (chance, high) if share < rate else (low, chance)
        if abs(share - rate) < 1e-3 * rate or high - low < 1e-3 * high:
            break
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
        n = min(MOST_SEQUENCES, -(-TOKENS_PER_LENGTH // n_tokens))
        self.length = (n_tokens - 1) * tokens.stride + tokens.k
        self.keys = hash64(torch.arange(n), 1, torch.tensor(n_tokens))
        bits = hash64(self.keys[:, None], 2, torch.arange(self.length))
        self.input_ids = (_kmers(bits, tokens) if tokens.is_dna else _words(bits, tokens)).flatten()
        self.cu_seqlens = torch.arange(n + 1) * n_tokens
        self.grid = base_grid(self.input_ids, self.cu_seqlens, tokens)
        self.centre_draw = uniform(self.keys[:, None], streams.CENTRE, torch.arange(self.length))
        self.k, self.stride = tokens.k, tokens.stride

    def shares(self, at_chance: Callable[[Tensor], Strategy], chance: float) -> tuple[float, float]:
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


def _kmers(bits: Tensor, tokens: TokenBases) -> Tensor:
    """(n, tokens) ids of the k-mers over even bases, from random bits (n, L)."""
    powers = 4 ** torch.arange(tokens.k - 1, -1, -1)
    return tokens.kmer_ids[(below(bits, 4).unfold(1, tokens.k, tokens.stride) * powers).sum(2)]


def _words(bits: Tensor, tokens: TokenBases) -> Tensor:
    """(n, L) ids drawn evenly from the maskable ones, from random bits (n, L)."""
    maskable_ids = tokens.maskable.nonzero().squeeze(1)
    return maskable_ids[below(bits, len(maskable_ids))]


def _expectation(y: Tensor, controls: Tensor) -> float:
    """Mean of y (n,) where every control were 0, its expectation: the intercept of their regression."""
    design = torch.cat([torch.ones(len(y), 1, dtype=torch.float64), controls], 1)
    return float(torch.linalg.lstsq(design, y[:, None], driver="gelsd").solution[0])
