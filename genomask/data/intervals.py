"""Sets of positions as (n, 2) int64 arrays of half-open intervals [start, stop), sorted and disjoint.

Two intervals of one set may touch and still be two: a record ends there, and no window may cross.
"""

from typing import NamedTuple, Self

import numpy as np

MOST_DIGITS = 18
"""Digits of a position: this many fit into int64."""


def is_position(word: str) -> bool:
    """Is a word of a file a whole number that can be a position?"""
    return word.isascii() and word.isdecimal() and len(word) <= MOST_DIGITS


def intervals_of(mask: np.ndarray) -> np.ndarray:
    """(n, 2) maximal runs of True in a one-dimensional bool array."""
    return np.flatnonzero(np.diff(mask, prepend=False, append=False)).reshape(-1, 2)


def union(*sets: np.ndarray) -> np.ndarray:
    """All positions of the given intervals, which may overlap and come in any order; touching ones become one."""
    together = np.concatenate([np.empty((0, 2), dtype=np.int64), *sets])
    together = together[together[:, 0] < together[:, 1]]
    starts, stops = together[np.argsort(together[:, 0], kind="stable")].T
    reach = np.maximum.accumulate(stops)
    is_first = np.ones(len(starts), dtype=bool)
    is_first[1:] = starts[1:] > reach[:-1]
    is_last = np.append(is_first[1:], True)[: len(starts)]
    return np.stack([starts[is_first], reach[is_last]], axis=1)


def intersect(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The positions in both sets, cut at the ends of the intervals of either."""
    first = np.searchsorted(b[:, 1], a[:, 0], side="right")
    n_partners = np.maximum(np.searchsorted(b[:, 0], a[:, 1], side="left") - first, 0)
    of_a = np.repeat(np.arange(len(a)), n_partners)
    nth = np.arange(len(of_a)) - np.repeat(n_partners.cumsum() - n_partners, n_partners)
    of_b = first[of_a] + nth
    return np.stack([np.maximum(a[of_a, 0], b[of_b, 0]), np.minimum(a[of_a, 1], b[of_b, 1])], axis=1)


def subtract(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The positions of `a` that are not in `b`; intervals of `a` that touch stay apart."""
    limits = np.iinfo(np.int64)
    gaps = np.concatenate([[limits.min], union(b).ravel(), [limits.max]]).astype(np.int64).reshape(-1, 2)
    return intersect(a, gaps)


def total_length(intervals: np.ndarray) -> int:
    """Number of positions in the set."""
    return int((intervals[:, 1] - intervals[:, 0]).sum())


def longest(intervals: np.ndarray) -> int:
    """Length of the longest interval; 0 where there is none."""
    return int((intervals[:, 1] - intervals[:, 0]).max(initial=0))


class RunningCount(NamedTuple):
    """How many positions of a set lie below others: built once for many queries, as building reads all intervals."""

    starts: np.ndarray  # (n,), contiguous, for fast search
    stops: np.ndarray  # (n + 1,), of the interval before each start; 0 before the first
    sums: np.ndarray  # (n + 1,), positions in the intervals before each start

    @classmethod
    def of(cls, intervals: np.ndarray) -> Self:
        """For a set without negative positions."""
        starts, stops = np.ascontiguousarray(intervals.T)
        return cls(starts, np.append(0, stops), np.append(0, (stops - starts).cumsum()))

    def below(self, positions: np.ndarray) -> np.ndarray:
        """How many lie below each of `positions`, none of which is negative."""
        index = np.searchsorted(self.starts, positions, side="left")  # intervals that start below the position
        below: np.ndarray = self.sums[index] - np.maximum(self.stops[index] - positions, 0)
        return below
