"""Small genomes made in the test, without a file."""

import itertools

import numpy as np

from genomask.data.genome import Genome
from genomask.data.intervals import intervals_of, join_touching


def genome_of(*sequences):
    """A genome in memory, its records called r0, r1 ..."""
    text = "".join(sequences)
    codes = np.array(["ACGT".find(letter) for letter in text.upper()], dtype=np.int8) % 5
    offsets = np.cumsum([0, *map(len, sequences)])
    edges = [(intervals_of(np.char.islower(list(s))) + o) for s, o in zip(sequences, offsets, strict=False)]
    runs = [(intervals_of(codes[a:b] < 4) + a) for a, b in itertools.pairwise(offsets)]
    return Genome(
        codes=codes.astype(np.uint8),
        names=[f"r{number}" for number in range(len(sequences))],
        offsets=offsets,
        runs=np.concatenate(runs),
        repeats=join_touching(np.concatenate(edges), offsets),
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
