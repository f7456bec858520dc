"""Several genomes in one run: files, what each weighs and the genome read of them in; which bases are whose out."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from genomask.data.genome import Genome
from genomask.files.genomes import genome_files, stem_of


class Component(NamedTuple):
    """One of the genomes that are mixed, or all that was given, as one."""

    name: str
    """For people, and in the names of metrics; empty where it is all there is."""
    start: int
    stop: int
    """Its bases, [start, stop) of the codes of all."""
    fraction: float
    """Of the windows that are drawn from it."""

    @property
    def within(self) -> str:
        """Where something is missing, in words."""
        return f" in {self.name}" if self.name else ""

    def part_of(self, intervals: np.ndarray) -> np.ndarray:
        """(n, 2) int64 those of the intervals that lie in it; none lies across its borders, which are of records."""
        return intervals[(intervals[:, 0] >= self.start) & (intervals[:, 0] < self.stop)]


Mixture = tuple[Component, ...]


def unmixed(genome: Genome) -> Mixture:
    """The genome as one."""
    return (Component("", 0, len(genome.codes), 1.0),)


def mixture_of(genome: Genome, paths: Sequence[Path], weights: Sequence[float]) -> Mixture:
    """The part of `genome`, opened from `paths`, that each path gave, with its weight over the sum of all weights.

    A path is a file, or a folder whose files are one genome; without weights all of them are one.
    """
    if not weights:
        return unmixed(genome)
    last_file = np.cumsum([len(genome_files([path])) for path in paths])
    borders = [0, *(genome.file_offsets[number] for number in last_file.tolist())]
    names, total = _names(paths), sum(weights)
    return tuple(
        Component(name, start, stop, weight / total)
        for name, (start, stop), weight in zip(names, itertools.pairwise(borders), weights, strict=True)
    )


def _names(paths: Sequence[Path]) -> list[str]:
    """Of files and folders, without what says of which kind they are; the second of one name is called name-2."""
    names: list[str] = []
    for path in paths:
        stem = stem_of(path.absolute())
        candidates = itertools.chain([stem], (f"{stem}-{number}" for number in itertools.count(2)))
        names.append(next(name for name in candidates if name not in names))
    return names
