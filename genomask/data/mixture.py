"""Several genomes in one run: files, their weights and the genome read from them in; each genome's bases out."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from genomask.data.genome import Genome
from genomask.files.genomes import genome_files, stem_of


class Component(NamedTuple):
    """One of the genomes that are mixed, or all files as one."""

    name: str
    """For messages and the names of metrics; empty if it is the only one."""
    start: int
    stop: int
    """Its bases, [start, stop) of the codes of all."""
    fraction: float
    """Fraction of windows drawn from it."""

    @property
    def within(self) -> str:
        """Its place in a message about what is missing; empty without a name."""
        return f" in {self.name}" if self.name else ""

    def part_of(self, intervals: np.ndarray) -> np.ndarray:
        """(n, 2) int64, the intervals that lie in it; none crosses its borders, which are those of records."""
        return intervals[(intervals[:, 0] >= self.start) & (intervals[:, 0] < self.stop)]


Mixture = tuple[Component, ...]


def unmixed(genome: Genome) -> Mixture:
    """The genome as one."""
    return (Component("", 0, len(genome.codes), 1.0),)


def mixture_of(genome: Genome, paths: Sequence[Path], weights: Sequence[float]) -> Mixture:
    """The part of `genome` that came from each of its `paths`, with its weight over the sum of all weights.

    A path is a file, or a folder whose files are one genome; without weights, all paths are one genome.
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
    """Names of files and folders without their suffixes; the second of the same name is called name-2."""
    names: list[str] = []
    for path in paths:
        stem = stem_of(path.absolute())
        candidates = itertools.chain([stem], (f"{stem}-{number}" for number in itertools.count(2)))
        names.append(next(name for name in candidates if name not in names))
    return names
