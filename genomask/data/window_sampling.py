"""Where windows may begin: intervals and hash bits in, starts out. No rejection, no state, int64 throughout.

Letters: B windows, n intervals, L bases of a window.
"""

from collections.abc import Sequence

import numpy as np

from genomask.hashing import Purpose, below, hash64, uniform

_ZERO = np.zeros(1, dtype=np.int64)


class StartChooser:
    """Uniform choice among all starts at which a window of a given length lies within one interval.

    With the intervals sorted by length, longest first, and S_j the bases of the first j, the intervals that can hold L
    bases are the first j, and they offer S_j - j (L - 1) starts; a hash picks one, bisection finds its interval.
    """

    def __init__(self, intervals: np.ndarray) -> None:
        lengths = intervals[:, 1] - intervals[:, 0]
        order = np.argsort(-lengths, kind="stable")
        self._starts = intervals[order, 0]
        self._lengths = lengths[order]
        self._bases = np.concatenate([[0], self._lengths.cumsum()])

    def choose(self, bits: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """(B,) int64 starts of windows of `lengths` bases, each chosen by its 64 `bits`."""
        high = self._n_holding(lengths)
        n_starts = self._starts_in_first(high, lengths)
        assert n_starts.min(initial=1) > 0, "a window is longer than every interval"
        rank = below(bits, n_starts)
        low = np.zeros_like(high)  # the first `low` intervals offer at most `rank` starts, the first `high` more
        for _ in range(int(high.max(initial=0)).bit_length()):
            middle = (low + high) // 2
            is_past = self._starts_in_first(middle, lengths) > rank
            low, high = np.where(is_past, low, middle), np.where(is_past, middle, high)
        starts: np.ndarray = self._starts[low] + rank - self._starts_in_first(low, lengths)
        return starts

    def _n_holding(self, lengths: np.ndarray) -> np.ndarray:
        return np.searchsorted(-self._lengths, -lengths, side="right")

    def _starts_in_first(self, n_intervals: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        n_starts: np.ndarray = self._bases[n_intervals] - n_intervals * (lengths - 1)
        return n_starts


class GenomeStarts:
    """Where windows of one genome may begin: anywhere, or a fraction of them near what the settings name."""

    def __init__(self, anywhere: np.ndarray, near: np.ndarray, near_fraction: float) -> None:
        """Intervals (n, 2) of both kinds; `near` may be empty where the fraction is 0."""
        self._choosers = StartChooser(anywhere), StartChooser(near)
        self._near_fraction = near_fraction

    def choose(self, keys: np.ndarray, lengths: np.ndarray, attempt: int) -> np.ndarray:
        """(B,) int64 starts of windows of `lengths` bases, by their keys and the number of draws before."""
        bits = hash64(keys, Purpose.START, _ZERO + attempt)
        is_near = uniform(keys, Purpose.NEAR, _ZERO) < self._near_fraction
        starts = np.empty(len(keys), dtype=np.int64)
        for chooser, mine in zip(self._choosers, (~is_near, is_near), strict=True):
            starts[mine] = chooser.choose(bits[mine], lengths[mine])
        return starts


class MixedStarts:
    """Starts in several genomes; a hash of the window's key picks the genome, by their fractions."""

    def __init__(self, genomes: Sequence[GenomeStarts], fractions: Sequence[float]) -> None:
        self.genomes = genomes
        self._borders = np.cumsum(fractions)[:-1]  # the last genome has the rest

    def choose(self, keys: np.ndarray, lengths: np.ndarray, attempt: int) -> np.ndarray:
        """(B,) int64, as in GenomeStarts; a window that is drawn again stays in its genome."""
        picked = np.searchsorted(self._borders, uniform(keys, Purpose.GENOME, _ZERO), side="right")
        starts = np.empty(len(keys), dtype=np.int64)
        for number, genome in enumerate(self.genomes):
            mine = np.flatnonzero(picked == number)
            starts[mine] = genome.choose(keys[mine], lengths[mine], attempt)
        return starts


def place_evenly(intervals: np.ndarray, width: int, count: int, seed: int) -> np.ndarray:
    """(count or fewer,) int64 starts, sorted, of disjoint windows of `width` bases spread evenly over the intervals.

    Each interval is cut into slots from a hashed phase on; all slots are divided into `count` parts, and a hash picks
    one slot from each. If there are fewer slots, fewer starts are returned.
    """
    key = np.full(1, seed, dtype=np.int64)
    lengths = intervals[:, 1] - intervals[:, 0]
    slots = lengths // width
    total = int(slots.sum())
    count = min(count, total)
    if count == 0:
        return np.empty(0, dtype=np.int64)
    borders = np.arange(count + 1, dtype=np.int64) * total // count
    slot = borders[:-1] + below(hash64(key, Purpose.SLOT, np.arange(count, dtype=np.int64)), np.diff(borders))
    last_slot = slots.cumsum()
    which = np.searchsorted(last_slot, slot, side="right")
    phase = below(hash64(key, Purpose.PHASE, which), (lengths - slots * width + 1)[which])
    starts: np.ndarray = intervals[which, 0] + phase + (slot - (last_slot - slots)[which]) * width
    return starts
