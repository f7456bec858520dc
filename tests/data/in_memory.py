"""Small genomes made in the test, without a file."""

import numpy as np

from genomask.data.genome import Genome
from genomask.data.intervals import intersect, intervals_of


def genome_of(*sequences):
    """A genome in memory, its records called r0, r1 ..."""
    text = "".join(sequences)
    codes = np.array(["ACGT".find(letter) for letter in text.upper()], dtype=np.int8) % 5
    offsets = np.cumsum([0, *map(len, sequences)])
    records = np.stack([offsets[:-1], offsets[1:]], axis=1)
    return Genome(
        codes=codes.astype(np.uint8),
        names=[f"r{number}" for number in range(len(sequences))],
        offsets=offsets,
        runs=intersect(intervals_of(codes < 4), records),
        repeats=intersect(intervals_of(np.array([letter.islower() for letter in text])), records),
        fingerprint="",
    )


def covered(starts, lengths, size):
    """(size,) bool, the bases under at least one window."""
    mask = np.zeros(size, dtype=bool)
    for start, length in zip(starts, lengths, strict=True):
        mask[start : start + length] = True
    return mask


def random_sequence(size, seed):
    return "".join(np.array(list("ACGT"))[np.random.default_rng(seed).integers(0, 4, size)])
