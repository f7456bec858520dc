"""Count n-grams of bases: uint8 codes and intervals in, exact counts of every n-gram out."""

import numba
import numpy as np


def count_ngrams(codes: np.ndarray, intervals: np.ndarray, max_n: int) -> dict[int, np.ndarray]:
    """{n: (4**n,) int64 counts in ACGT order} for n = 1..max_n over the intervals (m, 2) [start, stop) of codes.

    An n-gram lies within one interval and holds no code above 3.
    """
    last_ngrams = np.zeros((max_n, 4**max_n), dtype=np.int64)
    longest = np.zeros(4**max_n, dtype=np.int64)
    _count(np.asarray(codes), np.ascontiguousarray(intervals, dtype=np.int64), max_n, longest, last_ngrams)
    counts = {max_n: longest}
    for n in range(max_n - 1, 0, -1):  # all but the last n-gram of each run are the beginning of a longer one
        counts[n] = counts[n + 1].reshape(-1, 4).sum(1) + last_ngrams[n, : 4**n]
    return counts


@numba.njit(cache=True, nogil=True)
def _count(
    codes: np.ndarray, intervals: np.ndarray, max_n: int, longest: np.ndarray, last_ngrams: np.ndarray
) -> None:  # pragma: no cover  (compiled)
    """Count the max_n-grams, and for each run of ACGT the last n-gram of each smaller n."""
    keep = 4**max_n - 1
    for i in range(intervals.shape[0]):
        word = 0
        length = 0
        for at in range(intervals[i, 0], intervals[i, 1]):
            code = codes[at]
            if code < 4:
                word = ((word << 2) | code) & keep
                length += 1
                if length >= max_n:
                    longest[word] += 1
            else:
                _close_run(word, length, max_n, last_ngrams)
                word = 0
                length = 0
        _close_run(word, length, max_n, last_ngrams)


@numba.njit(cache=True, nogil=True)
def _close_run(word: int, length: int, max_n: int, last_ngrams: np.ndarray) -> None:  # pragma: no cover  (compiled)
    for n in range(1, min(length, max_n - 1) + 1):
        last_ngrams[n, word & (4**n - 1)] += 1
