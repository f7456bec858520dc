"""Sequences for a strategy to mask so that its rate can be measured: vocabulary (and windows) in, mean fractions out.

Letters: n sequences of S tokens each, T = n S tokens, B windows, C control variates.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from genomask.errors import SettingsError
from genomask.hashing import Purpose, below, hash64
from genomask.masking.accounting import account_each
from genomask.masking.built import BuiltStrategy
from genomask.masking.jit import Array, draw, jit, key_for, limit_of
from genomask.masking.packed import Packed, checked
from genomask.types import TokenBases

LENGTHS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 26, 34, 45, 60, 85, 120, 170, 250, 350, 505, 1000, 4000)
"""Tokens in the simulated sequences: dense where the ends of a sequence matter most."""
EVERY_SHORT_LENGTH = (*range(1, 64), 68, 72, 78, 85, 95, 105, *LENGTHS[LENGTHS.index(120) :])
"""For a strategy whose fraction jumps from one length to the next; the effect of one token falls with the length."""
TOKENS_PER_LENGTH = 300_000
"""For rates of COMMON_RATE and more; lower rates, which mask fewer, get up to MOST_TIMES as many."""
COMMON_RATE, MOST_TIMES = 0.02, 20
MOST_SEQUENCES = 50_000
FEWEST_SEQUENCES = 50
"""With fewer, the error would miss the noise that the controls explain by chance."""
LONG_WINDOWS = 100
"""At least this many windows, or all, must reach the longest length that is simulated."""
EFFORT_OF_INTERPRETED = 0.1
"""Fraction of these for a strategy that is not compiled: its rates take half a minute, with three times the error."""


class Simulation:
    """Sequences of one length in tokens, with the same draws for every probability tried."""

    def __init__(self, tokens: TokenBases, input_ids: Tensor) -> None:
        n, self.n_tokens = input_ids.shape
        self.keys = simulation_keys(n, self.n_tokens)
        self.input_ids = input_ids.flatten()
        self.cu_seqlens = torch.arange(n + 1) * self.n_tokens
        self._batch = checked(self.input_ids, self.cu_seqlens, self.keys, tokens)
        self._n_bases_of = tokens.n_bases[self.input_ids]
        start, stop = tokens.places(input_ids)
        self._start, self._stop = start.flatten(), stop.flatten()
        self._lengths = stop.amax(1)  # (n,) bases of each
        self.n_bases = float(self._lengths.double().mean())
        self._maskable = tokens.maskable[self.input_ids]

    def fractions(self, strategy: BuiltStrategy, probability: float) -> tuple[tuple[float, float], tuple[float, float]]:
        """Mean fractions of tokens masked and of bases hidden, each with its standard error.

        `probability` replaces the strategy's own.
        """
        strategy = replace(strategy, probabilities=torch.tensor([probability], dtype=torch.float64))
        spans = strategy.select(self.input_ids, self.cu_seqlens, self.keys).numpy()
        counts = account_each(self._batch, self._batch.input_ids, spans)
        n_maskable, n_masked, covered, hidden, _ = torch.from_numpy(counts).double().unbind(1)
        controls = self._controls(probability, n_maskable)
        tokens_masked = _expectation(n_masked / n_maskable.mean(), controls)
        return tokens_masked, _expectation(hidden / covered.mean(), controls)

    def _controls(self, probability: float, n_maskable: Tensor) -> Tensor:
        """(n, C) figures of each sequence, with a known expectation of 0, that explain most of the noise.

        They come from the centres and the tokens drawn: how many there are, the square of that, whether the number of
        centres is odd (which decides the number of long spans), and the number of tokens that cover a centre.
        """
        bases = self._start.numpy(), self._stop.numpy(), self._lengths.numpy()
        counts, covered = _draws(self._batch, *bases, limit_of(probability))
        n_centres, n_drawn = torch.from_numpy(counts).double().unbind(1)
        columns = []
        for n_draws, places in ((n_centres, self._lengths), (n_drawn, n_maskable)):
            off = n_draws - places * probability
            columns += [off, off**2 - places * probability * (1 - probability)]
        odd = (1 - (1 - 2 * probability) ** self._lengths) / 2
        expected = self._maskable * (1 - (1 - probability) ** self._n_bases_of)
        off = torch.from_numpy(covered).double() - expected
        columns += [n_centres % 2 - odd, _sums(off, self.cu_seqlens)]
        return torch.stack(columns, 1)


@jit
def _draws(batch: Packed, start: Array, stop: Array, lengths: Array, limit: np.uint64) -> tuple[Array, Array]:
    """(n, 2) int64 centres and maskable tokens drawn in each sequence; (T,) bool where a token covers a centre.

    Given the bases [start, stop) of each token (T,) and the number of bases of each sequence (n,). The draws are those
    of `centres` and `tokens_drawn`, without opening a sequence: if it is short, that takes far longer than the draws.
    """
    counts, covered = np.zeros((len(lengths), 2), dtype=np.int64), np.empty(len(start), dtype=np.bool_)
    last_centre = np.empty(lengths.max() + 1, dtype=np.int64)  # before each base
    for s in range(len(lengths)):
        centres, drawn = key_for(batch.keys[s], Purpose.CENTRE), key_for(batch.keys[s], Purpose.TOKEN)
        last = -1
        for base in range(lengths[s]):
            last_centre[base] = last
            is_centre = draw(centres, base) < limit
            last = base if is_centre else last
            counts[s, 0] += is_centre
        last_centre[lengths[s]] = last
        first = batch.bounds[s]
        for t in range(first, batch.bounds[s + 1]):
            maskable = batch.vocabulary.maskable[batch.input_ids[t]]
            covered[t] = maskable & (last_centre[stop[t]] >= start[t])
            counts[s, 1] += maskable & (draw(drawn, t - first) < limit)
    return counts, covered


def simulation_keys(n: int, n_tokens: int) -> Tensor:
    """(n,) int64 keys of simulated sequences."""
    return hash64(torch.arange(n), Purpose.STEP, torch.tensor(n_tokens))


def of_even_bases(tokens: TokenBases, lengths: Sequence[int], rate: float, effort: float = 1.0) -> Iterator[Simulation]:
    """Sequences of independent, equally likely bases (or tokens of text), from the longest to the shortest."""
    for n_tokens in reversed(lengths):
        n = _n_sequences(n_tokens, rate, effort)
        n_bases = (n_tokens - 1) * tokens.stride + tokens.k
        bits = hash64(simulation_keys(n, n_tokens)[:, None], Purpose.SEQUENCE, torch.arange(n_bases))
        if tokens.of_kmers:
            letters = below(bits, 4).unfold(1, tokens.k, tokens.stride)
            input_ids = tokens.kmer_ids[(letters * 4 ** torch.arange(tokens.k - 1, -1, -1)).sum(2)]
        else:
            input_ids = tokens.maskable_ids[below(bits, len(tokens.maskable_ids))]
        yield Simulation(tokens, input_ids)


class Windows:
    """Pieces of windows of a genome as simulated sequences."""

    def __init__(self, tokens: TokenBases, input_ids: Tensor, cu_seqlens: Tensor) -> None:
        covers = tokens.n_bases[input_ids] > 0  # [CLS] and [SEP] do not
        self.tokens = tokens
        self.input_ids = input_ids[covers]
        self.lengths = _sums(covers, cu_seqlens.long()).long()  # (B,)
        if len(self.input_ids) == 0:
            raise SettingsError("the sample of windows for solving mask rates holds no tokens; give longer windows.")

    @property
    def identity(self) -> str:
        """Fingerprint of the windows."""
        content = self.input_ids.numpy().tobytes() + self.lengths.numpy().tobytes()
        return hashlib.sha256(content).hexdigest()

    def simulations(self, rate: float, effort: float = 1.0) -> Iterator[Simulation]:
        """From the longest sequences to the shortest; a window is cut into as many pieces as it holds."""
        longest_first = self.lengths.sort(descending=True).values
        longest = max(1, int(longest_first[min(LONG_WINDOWS, len(longest_first)) - 1]))
        for n_tokens in (longest, *(n for n in reversed(LENGTHS) if n < longest)):
            yield Simulation(self.tokens, self._pieces(n_tokens, _n_sequences(n_tokens, rate, effort), effort))

    def _pieces(self, n_tokens: int, least: int, effort: float) -> Tensor:
        """(n, n_tokens) ids of `least` pieces or more, spread evenly over all windows; too few are repeated."""
        counts = self.lengths // n_tokens
        window = torch.repeat_interleave(counts)
        number = torch.arange(len(window)) - (counts.cumsum(0) - counts)[window]
        start = (self.lengths.cumsum(0) - self.lengths)[window] + number * n_tokens
        n = max(least, min(len(start), round(effort * MOST_SEQUENCES)))
        evenly = torch.arange(n) * len(start) // n
        return self.input_ids[start[evenly, None] + torch.arange(n_tokens)]


def _n_sequences(n_tokens: int, rate: float, effort: float) -> int:
    """How many sequences of `n_tokens` are simulated for a rate (0 and 1 need no more than common rates)."""
    times = min(MOST_TIMES, max(1, COMMON_RATE / rate)) if rate else 1
    n = round(min(MOST_SEQUENCES, -(-TOKENS_PER_LENGTH // n_tokens)) * times)
    return max(FEWEST_SEQUENCES, round(effort * n))


def _sums(x: Tensor, bounds: Tensor) -> Tensor:
    """(n,) float64 sums of x between the bounds (n + 1,) of each sequence."""
    total = torch.zeros(len(x) + 1, dtype=torch.float64)
    torch.cumsum(x, 0, dtype=torch.float64, out=total[1:])
    return total[bounds].diff()


def _expectation(y: Tensor, controls: Tensor) -> tuple[float, float]:
    """Mean of y (n,) with every control at its expectation, 0, and its error: the intercept of their regression."""
    design = torch.cat([torch.ones(len(y), 1, dtype=torch.float64), controls], 1)
    solution = torch.linalg.lstsq(design, y[:, None], driver="gelsd").solution
    unexplained = y - (design @ solution).squeeze(1)
    free = len(y) - design.shape[1]
    return float(solution[0]), float(unexplained.square().sum() / free / len(y)) ** 0.5
