"""A BED file and a genome in, the regions as intervals of the genome's codes out."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from genomask.data.genome import Genome
from genomask.data.intervals import intersect, is_position, union
from genomask.data.lines import numbered_lines
from genomask.errors import DataError, counted, shown

log = logging.getLogger(__name__)

HEADERS = ("track", "browser")
"""First words of lines with display settings for a genome browser."""


def read_bed(path: Path, genome: Genome, flank: int = 0) -> np.ndarray:
    """(m, 2) int64 [start, stop) of the ACGT in the regions of a BED file, sorted; no interval crosses records.

    Each region is first widened by `flank` bases on both sides, within its record.

    Regions may overlap, touch and come in any order; the result is their union. Those that overlap or touch become one
    interval, and an n-gram may lie across both. Columns after the third, including the strand, are not read.
    Raises DataError for a line that is not a region of this genome or is an empty one, and if no base is left.
    """
    records = records_of(genome)
    rows = [_region(path, number, line, records, flank) for number, line in numbered_lines(path) if _is_region(line)]
    found = intersect(union(np.array(rows, dtype=np.int64).reshape(-1, 2)), genome.runs)
    if len(found) == 0:
        raise DataError(f"{path}: no region holds a base A, C, G or T of this genome. Check that they belong together.")
    return found


def read_exclusions(path: Path, genome: Genome) -> np.ndarray:
    """(m, 2) int64 union of the regions of a BED file, even if they are only N, as in a list of gaps.

    Regions of records that the genome lacks are skipped, and counted in a log line. Raises DataError for a line that is
    no region, and if all are of other records, a sign that the names differ.
    """
    records, rows, elsewhere = records_of(genome), [], 0
    for number, line in numbered_lines(path):
        if not _is_region(line):
            continue
        name, *bounds = line.split()[:3]
        if name not in records and _are_bounds(bounds):
            elsewhere += 1
        else:
            rows.append(_region(path, number, line, records, flank=0))
    if not rows:
        known = ", ".join(map(shown, list(records)[:5]))
        raise DataError(
            f"{path}: no region lies in a record of this genome, whose first records are: {known}. Use the genome's "
            "names in the file."
        )
    if elsewhere:
        log.info("%s: %s of records that the genome lacks, skipped", path, counted(elsewhere, "region"))
    return union(np.array(rows, dtype=np.int64))


class Region(NamedTuple):
    """One line of a BED file."""

    name: str
    """The fourth column; record:start-stop if there is none, or a dot."""
    start: int
    stop: int
    reverse: bool
    """The sixth column is -."""


def read_regions(path: Path, genome: Genome) -> Iterator[Region]:
    """Each region by itself, in the file's order; start and stop are positions in `genome.codes`.

    Raises DataError for a line that is not a region of this genome or is an empty one.
    """
    records = records_of(genome)
    for number, line in numbered_lines(path):
        if _is_region(line):
            start, stop = _region(path, number, line, records, flank=0)
            words = line.split("\t") if line.count("\t") > 1 else line.split()
            named = words[3].strip() if len(words) > 3 else ""
            is_reverse = len(words) > 5 and words[5].strip() == "-"
            yield Region((named.strip(".") and named) or "{}:{}-{}".format(*line.split()), start, stop, is_reverse)


def records_of(genome: Genome) -> dict[str, list[int]]:
    """[start, stop) of each record in the genome's codes."""
    return dict(zip(genome.names, np.stack([genome.offsets[:-1], genome.offsets[1:]], axis=1).tolist(), strict=True))


def _is_region(line: str) -> bool:
    """Neither blank, a comment nor a header. Headers have no bounds: a record may be called track or browser too."""
    name, *rest = line.split() or ["#"]
    return not name.startswith("#") and (name not in HEADERS or _are_bounds(rest[:2]))


def _are_bounds(words: list[str]) -> bool:
    return len(words) == 2 and all(map(is_position, words))


def _region(path: Path, number: int, line: str, records: dict[str, list[int]], flank: int) -> tuple[int, int]:
    where = f"{path}, line {number}"
    name, *bounds = line.split()[:3]
    if not _are_bounds(bounds):
        raise DataError(f"{where}: not a BED line. Give record, start and stop, counted from 0, the stop exclusive.")
    if name not in records:
        known = ", ".join(map(shown, list(records)[:5]))
        raise DataError(
            f"{where}: the genome has no record {name[:60]!r}. Its first records are: {known}. Give the genome that "
            "the regions belong to."
        )
    start, stop = map(int, bounds)
    offset, end = records[name]
    if not start <= stop <= end - offset:
        raise DataError(
            f"{where}: {start}-{stop} is not a part of record {shown(name)}, which has {end - offset:,} bases."
        )
    if start == stop:
        raise DataError(
            f"{where}: {start}-{stop} holds no base, since the stop is exclusive. Remove the line or, for a single "
            "base, set the stop to start + 1."
        )
    return max(offset, offset + start - flank), min(end, offset + stop + flank)
