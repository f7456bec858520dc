"""Count n-grams of bases: uint8 codes and intervals in, exact counts of every n-gram out.

Only the longest n-grams are counted; the shorter ones follow, because all but the last of each run of ACGT begin a
longer one. Threads take parts of the bases, and each n-gram belongs to the part in which it ends. The loop itself is in
counting_loop.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from genomask.errors import SettingsError
from genomask.machine.process import usable_cores
from genomask.masking.npmi.counting_loop import count_pieces, first_of

MAX_N = 12
"""Tables of longer n-grams would not fit: 4**13 counts are 537 MB for each thread."""

SMALLEST_PART = 1 << 22
"""Bases that are worth a table of their own."""

PARTS_OF_A_THREAD = 4
"""More than one, so that a thread that another program slows down gets less to do."""


def count_ngrams(codes: np.ndarray, intervals: np.ndarray, max_n: int) -> dict[int, np.ndarray]:
    """{n: (4**n,) int64 counts in ACGT order} for n = 1..max_n over the intervals (m, 2) [start, stop) of codes.

    An n-gram lies within one interval and holds no code above 3. Raises SettingsError for a max_n out of range.
    """
    if not 1 <= max_n <= MAX_N:
        raise SettingsError(f"n-grams of length 1 to {MAX_N} (4**{MAX_N} words) can be counted; got {max_n}.")
    threads = usable_cores()
    n_bases = int((intervals[:, 1] - intervals[:, 0]).clip(0).sum())
    part_size = max(SMALLEST_PART, -(-n_bases // (threads * PARTS_OF_A_THREAD)))
    return counts_of_parts(codes, list(parts(intervals, part_size, max_n)), max_n, threads)


def counts_of_parts(codes: np.ndarray, groups: list[np.ndarray], max_n: int, threads: int) -> dict[int, np.ndarray]:
    """Like `count_ngrams`, of the pieces that `parts` made; each thread takes one group at a time."""
    longest = np.zeros(4**max_n, dtype=np.int64)
    last_ngrams = np.zeros(first_of(max_n), dtype=np.int64)
    plain = np.asarray(codes).view()
    plain.flags.writeable = False  # like a mapped genome's: the loop is compiled for only one type of array
    with ThreadPoolExecutor(threads) as pool:
        for of_longest, of_last in pool.map(lambda group: count_pieces(plain, group, max_n), groups):
            longest += of_longest
            last_ngrams += of_last
    counts = {max_n: longest}
    for n in range(max_n - 1, 0, -1):
        counts[n] = counts[n + 1].reshape(-1, 4).sum(1) + last_ngrams[first_of(n) : first_of(n + 1)]
    return counts


def parts(intervals: np.ndarray, part_size: int, max_n: int) -> Iterator[np.ndarray]:
    """Groups of pieces (p, 4) that hold part_size bases each, the last fewer.

    A piece is [where to read from, start, stop, whether its interval ends here]: n-grams that end in [start, stop) are
    its own, and what it reads before only completes them.
    """
    starts, stops = np.asarray(intervals, dtype=np.int64)[intervals[:, 0] < intervals[:, 1]].T
    borders = np.concatenate([[0], (stops - starts).cumsum()])  # of the intervals, laid end to end
    cuts = np.union1d(borders, np.arange(0, borders[-1], part_size))
    interval = np.searchsorted(borders, cuts[:-1], side="right") - 1
    shift = starts[interval] - borders[interval]
    first, last = cuts[:-1] + shift, cuts[1:] + shift
    read_from = np.maximum(starts[interval], first - (max_n - 1))
    pieces = np.stack([read_from, first, last, last == stops[interval]], axis=1)
    part = cuts[:-1] // part_size
    yield from np.split(pieces, np.flatnonzero(np.diff(part)) + 1)
