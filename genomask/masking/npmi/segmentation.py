"""How likely an n-gram is from its parts: counts in, ln p of every n-gram and of its likeliest segmentation out.

Arrays have 4**n entries in ACGT lexicographic order; logarithms are natural.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np


def log_probabilities(
    counts: Mapping[int, np.ndarray], round_to: Sequence[int], factor: float
) -> dict[int, np.ndarray]:
    """{n: (4**n,) ln(factor p)}, p = fraction of the n-grams of that length; -inf for counts of zero.

    Counts of 1-grams, 2-grams, ... are first rounded down to a multiple of round_to[0], round_to[1], ..., where given.
    """
    log_p = {}
    for n, f in counts.items():
        rounded = f // round_to[n - 1] * round_to[n - 1] if n <= len(round_to) else f
        with np.errstate(divide="ignore"):
            log_p[n] = np.log(rounded / max(1, rounded.sum())) + math.log(factor)
    return log_p


def best_segmentations(log_p: Mapping[int, np.ndarray], longest_part: int) -> dict[int, np.ndarray]:
    """{n: (4**n,) largest sum of ln p(part) over segmentations into two or more parts}, n from 2.

    The likeliest way to split a word is its first part followed by the likeliest way to split (or keep) the rest.
    """
    several: dict[int, np.ndarray] = {}
    whole_or_split = {1: log_p[1]}
    for n in range(2, max(log_p) + 1):
        several[n] = np.full(4**n, -np.inf)
        for first in range(1, min(n - 1, longest_part) + 1):
            split = np.add.outer(log_p[first], whole_or_split[n - first]).ravel()
            np.maximum(several[n], split, out=several[n])
        whole_or_split[n] = np.maximum(several[n], log_p[n]) if n <= longest_part else several[n]
    return several


def reverse_complemented(values: np.ndarray) -> np.ndarray:
    """The value of each word's reverse complement, of values (4**n,)."""
    n = round(math.log(len(values), 4))
    by_letter = values.reshape((4,) * n)
    return np.flip(by_letter.transpose()).ravel()


def words(n: int) -> np.ndarray:
    """(4**n,) the n-grams themselves, as strings."""
    letters = np.frombuffer(b"ACGT", dtype=np.uint8)
    indices = np.arange(4**n)
    spelt = np.stack([letters[indices >> 2 * place & 3] for place in range(n - 1, -1, -1)], axis=1)
    return np.ascontiguousarray(spelt).view(f"S{n}").ravel().astype(str)
