"""Shuffling without a table: a keyed permutation of 0..size-1 that is computed on demand."""

import numpy as np

from genomask.hashing import Purpose, hash64

ROUNDS = 8


def permute(index: np.ndarray, size: int, keys: np.ndarray) -> np.ndarray:
    """Where each index (int64, below `size`) goes under the permutation of its key; the arguments broadcast.

    A balanced Feistel network permutes the next power of four; values of `size` or above go through it again until
    they fall below, which still gives a permutation (Black and Rogaway, Ciphers with Arbitrary Finite Domains, 2002).
    """
    half_bits = max(1, ((size - 1).bit_length() + 1) // 2)
    keys = np.broadcast_to(keys, index.shape)
    place = _feistel(index, half_bits, keys)
    outside = np.flatnonzero(place >= size)
    while outside.size:
        place[outside] = _feistel(place[outside], half_bits, keys[outside])
        outside = outside[place[outside] >= size]
    return place


def _feistel(index: np.ndarray, half_bits: int, keys: np.ndarray) -> np.ndarray:
    mask = (1 << half_bits) - 1
    left, right = index >> half_bits, index & mask
    for number in range(ROUNDS):
        left, right = right, left ^ (hash64(keys, Purpose.PERMUTE + number, right) & mask)
    return left << half_bits | right
