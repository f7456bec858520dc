"""Where windows may begin: intervals and hash bits in, starts out. No rejection, no state, int64 throughout.

Letters: B windows, n intervals, L bases of a window.
"""

import numpy as np

from genomask.hashing import below, hash64

PHASE, SLOT = 111, 112  # streams of the hash


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


def place_evenly(intervals: np.ndarray, width: int, count: int, seed: int) -> np.ndarray:
    """(count or fewer,) int64 starts, sorted, of disjoint windows of `width` bases spread evenly over the intervals.

    Each interval is cut into slots from a hashed phase on; of every `count`-th part of all slots a hash picks one.
    Fewer than `count` come back where there are fewer slots.
    """
    key = np.full(1, seed, dtype=np.int64)
    lengths = intervals[:, 1] - intervals[:, 0]
    slots = lengths // width
    total = int(slots.sum())
    count = min(count, total)
    if count == 0:
        return np.empty(0, dtype=np.int64)
    borders = np.arange(count + 1, dtype=np.int64) * total // count
    slot = borders[:-1] + below(hash64(key, SLOT, np.arange(count, dtype=np.int64)), np.diff(borders))
    last_slot = slots.cumsum()
    which = np.searchsorted(last_slot, slot, side="right")
    phase = below(hash64(key, PHASE, which), (lengths - slots * width + 1)[which])
    starts: np.ndarray = intervals[which, 0] + phase + (slot - (last_slot - slots)[which]) * width
    return starts
