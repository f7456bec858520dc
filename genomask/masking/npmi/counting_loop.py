"""The compiled loop of counting: codes and pieces in, counts of the longest n-grams and of what ends each run out.

Three things make it fast. A block of nothing but ACGT is read as four quarters side by side, because each word depends
on the one before it. Counters are bytes, so that those of 4**10 words fit a core's own cache; one that wraps round to
zero is carried to a wide one. And the interpreter's lock is released.

Words are uint32: n letters of two bits, the last letter lowest. `keep` = 4**n - 1 cuts off older letters.
"""

import numba
import numpy as np

from genomask.masking.jit import Array, jit

BLOCK = 1 << 16
"""Bases that are first searched for N, then counted from the cache."""
TWO = np.uint32(2)
ONE = np.uint8(1)


def count_pieces(codes: Array, pieces: Array, n: int) -> tuple[Array, Array]:
    """(4**n,) int64 counts of n-grams, and of the last m-gram of each run of ACGT, m < n, from place `first_of(m)`."""
    few = np.zeros(4**n, dtype=np.uint8)
    many = np.zeros(4**n, dtype=np.int64)
    last_ngrams = np.zeros(first_of(n), dtype=np.int64)
    _count(codes, pieces, n, few, many, last_ngrams)
    many += few
    return many, last_ngrams


@jit
def _count(codes: Array, pieces: Array, n: int, few: Array, many: Array, last_ngrams: Array) -> None:
    for read_from, start, stop, ends in pieces:
        word, length = _read(codes[read_from:start], n)
        at = start
        while at < stop:
            end = min(at + (BLOCK if length >= n - 1 else n), stop)
            block = codes[at:end]
            if length >= n - 1 and _is_clean(block):
                word = _count_clean(codes[at - (n - 1) : end], n, few, many)
                length += end - at
            else:
                word, length = _count_any(block, n, word, length, few, many, last_ngrams)
            at = end
        if ends:
            _close_run(word, length, n, last_ngrams)


@jit
def _read(codes: Array, n: int) -> tuple[np.uint32, int]:
    """The word that codes end with, and how many ACGT in a row they end with."""
    word, length = np.uint32(0), 0
    for code in codes:
        word = ((word << TWO) | np.uint32(code)) & np.uint32(4**n - 1)
        length = length + 1 if code < 4 else 0
    return word, length


@jit
def _is_clean(codes: Array) -> bool:
    together = np.uint8(0)
    for code in codes:
        together |= code
    return bool(together < 4)


@jit
def _count_any(
    codes: Array, n: int, word: np.uint32, length: int, few: Array, many: Array, last_ngrams: Array
) -> tuple[np.uint32, int]:
    """Count letter by letter, codes above 3 included; takes and returns the word and length of the run so far."""
    keep = np.uint32(4**n - 1)
    for code in codes:
        if code < 4:
            word = ((word << TWO) | np.uint32(code)) & keep
            length += 1
            if length >= n:
                _add(word, few, many)
        else:
            _close_run(word, length, n, last_ngrams)
            word = np.uint32(0)
            length = 0
    return word, length


@jit
def _count_clean(codes: Array, n: int, few: Array, many: Array) -> np.uint32:
    """Count every n-gram of codes of ACGT alone, four quarters side by side; returns the last word."""
    keep = np.uint32(4**n - 1)
    before = n - 1
    quarter = (len(codes) - before) // 4
    a, _ = _read(codes[:before], n)
    b, _ = _read(codes[quarter : quarter + before], n)
    c, _ = _read(codes[2 * quarter : 2 * quarter + before], n)
    d, _ = _read(codes[3 * quarter : 3 * quarter + before], n)
    of_a, of_b = codes[before:], codes[before + quarter :]
    of_c, of_d = codes[before + 2 * quarter :], codes[before + 3 * quarter :]
    for at in range(np.uint64(quarter)):
        a = ((a << TWO) | np.uint32(of_a[at])) & keep
        b = ((b << TWO) | np.uint32(of_b[at])) & keep
        c = ((c << TWO) | np.uint32(of_c[at])) & keep
        d = ((d << TWO) | np.uint32(of_d[at])) & keep
        _add(a, few, many)
        _add(b, few, many)
        _add(c, few, many)
        _add(d, few, many)
    for code in of_d[quarter:]:
        d = ((d << TWO) | np.uint32(code)) & keep
        _add(d, few, many)
    return d


@numba.njit(cache=True, nogil=True, inline="always")
def _add(word: np.uint32, few: Array, many: Array) -> None:
    few[word] += ONE
    if few[word] == 0:
        many[word] += 256


@jit
def _close_run(word: np.uint32, length: int, n: int, last_ngrams: Array) -> None:
    for m in range(1, min(length, n - 1) + 1):
        last_ngrams[first_of(m) + (word & np.uint32(4**m - 1))] += 1


@jit
def first_of(m: int) -> int:
    """Where m-grams begin in a table of all 1-grams, then all 2-grams, and so on."""
    return (4**m - 4) // 3
