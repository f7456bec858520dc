"""A genome and files of regions in; the bases that windows may cover, and those that they are drawn near, out."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from genomask.data.annotation import around_starts, bodies, read_features
from genomask.data.bed import read_bed, read_exclusions
from genomask.data.genome import Genome
from genomask.data.intervals import intersect, subtract, union
from genomask.errors import DataError, quoted
from genomask.files.inputs import require_file, split_at_file


def usable_bases(genome: Genome, include: Sequence[str], exclude: Sequence[str], holdout: Sequence[str]) -> np.ndarray:
    """(n, 2) int64 ACGT that training and validation may see: what is included, less what is excluded or held out.

    Raises SettingsError for a part of the genome that is not there, DataError for a file that does not fit it.
    """
    usable = genome.runs
    if include:
        included = union(*(read_bed(Path(file), genome) for file in include))
        usable = intersect(included, usable)
    excluded = [read_exclusions(Path(file), genome) for file in exclude]
    held_out = [_held_out(genome, text) for text in holdout]
    return subtract(usable, union(*excluded, *held_out))


def near_bases(genome: Genome, path: Path, upstream: int, downstream: int) -> np.ndarray:
    """(n, 2) int64 bases around the starts of what the file lists."""
    require_file(path)
    return around_starts(read_features(path, genome), genome, upstream, downstream)


def is_file(text: str) -> bool:
    """Does an entry of the hold-out name a file, or something in one?"""
    return split_at_file(text)[0] is not None


def _held_out(genome: Genome, text: str) -> np.ndarray:
    """A record, a part of one, the regions or genes of a file, or those of one name in it (FILE:NAME)."""
    file, name = split_at_file(text)
    if file is None or text in genome.names:
        return np.array([genome.interval(text)], dtype=np.int64)
    features = read_features(file, genome)
    wanted = [feature for feature in features if name in feature.names] if name else features
    if not wanted:
        example = min((each for feature in features for each in feature.names), default="")
        raise DataError(f"{file}: there is no gene or region called {quoted(name)}. Names look like {quoted(example)}.")
    return bodies(wanted)
