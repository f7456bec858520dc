"""A BED, GTF or GFF file and a genome in; genes, or whatever the file lists, out, with names and strands.

The format is recognised by which columns of the first line hold numbers. From GTF and GFF the genes are read, or the
transcripts if there is no gene.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from genomask.data.bed import read_regions, records_of
from genomask.data.genome import Genome
from genomask.data.intervals import is_position, union
from genomask.data.lines import numbered_lines
from genomask.data.vcf import same_record
from genomask.errors import DataError, shown

GENES, TRANSCRIPTS = ("gene",), ("transcript", "mRNA")
"""Row types (the third column)."""
NAMED_BY = ("gene_id", "gene_name", "gene", "Name", "ID", "locus_tag")
COLUMNS = 9
CIRCULAR = "Is_circular=true"
"""The GFF3 mark of a circular record: genes across its origin end beyond its last base."""
_ATTRIBUTE = re.compile(rf'(?:^|[;\s])({"|".join(NAMED_BY)})(?:=|\s+)"?([^";]+)')


class Feature(NamedTuple):
    """A gene, or a region of a BED file; start and stop are positions in `genome.codes`.

    A gene across the origin of a circular record becomes two, one of which has the start of the gene.
    """

    names: frozenset[str]
    start: int
    stop: int
    reverse: bool
    has_start: bool = True


def read_features(path: Path, genome: Genome) -> list[Feature]:
    """What the file lists. Raises DataError for a line in none of these formats, and if nothing is listed."""
    if _is_gff(path):
        rows = list(_gff_rows(path))
        wanted = GENES if any(row.kind in GENES for row in rows) else TRANSCRIPTS
        circular = {row.record for row in rows if row.is_circular}
        found = list(_on_records(path, [row for row in rows if row.kind in wanted], genome, circular))
    else:
        found = [Feature(frozenset((r.name,)), r.start, r.stop, r.reverse) for r in read_regions(path, genome)]
    if not found:
        raise DataError(f"{path}: no gene or region lies in this genome. Check that they belong together.")
    return found


def bodies(features: list[Feature]) -> np.ndarray:
    """(n, 2) int64 [start, stop) of the union of features."""
    return union(np.array([(feature.start, feature.stop) for feature in features], dtype=np.int64).reshape(-1, 2))


def around_starts(features: list[Feature], genome: Genome, upstream: int, downstream: int) -> np.ndarray:
    """(n, 2) int64 union of the bases up- and downstream of each feature's start, by its strand, in its record."""
    features = [feature for feature in features if feature.has_start]
    starts = np.array([feature.stop if feature.reverse else feature.start for feature in features], dtype=np.int64)
    reverse = np.array([feature.reverse for feature in features])
    record = np.searchsorted(genome.offsets, [feature.start for feature in features], side="right") - 1
    before, after = np.where(reverse, downstream, upstream), np.where(reverse, upstream, downstream)
    first = np.maximum(starts - before, genome.offsets[record])
    return union(np.stack([first, np.minimum(starts + after, genome.offsets[record + 1])], axis=1))


class _Row(NamedTuple):
    record: str
    kind: str
    start: int  # from 0
    stop: int
    reverse: bool
    names: frozenset[str]
    is_circular: bool  # whether this row marks its record as circular
    line: int


def _is_gff(path: Path) -> bool:
    """Recognised by the first line with columns."""
    for _, line in numbered_lines(path):
        cells = line.split("\t")
        if len(cells) > 4 and not line.startswith("#"):
            return not cells[1].isdecimal() and cells[3].isdecimal() and cells[4].isdecimal()
    return False


def _gff_rows(path: Path) -> Iterator[_Row]:
    """Genes and transcripts, up to the FASTA section that may follow them."""
    for number, line in numbered_lines(path):
        if line.startswith("##FASTA"):
            return
        if not line.strip() or line.startswith("#"):
            continue
        cells = line.split("\t")
        bounds = cells[3:5]
        if len(cells) < COLUMNS or not all(map(is_position, bounds)):
            raise DataError(f"{path}, line {number}: not a line of GTF or GFF, which has nine columns between tabs.")
        is_circular = CIRCULAR in cells[8].split(";")
        if cells[2] in GENES + TRANSCRIPTS or is_circular:
            names = frozenset(name.strip() for _, name in _ATTRIBUTE.findall(cells[8]))
            start, stop = map(int, bounds)
            yield _Row(cells[0], cells[2], start - 1, stop, cells[6] == "-", names, is_circular, number)


def _on_records(path: Path, rows: list[_Row], genome: Genome, circular: set[str]) -> Iterator[Feature]:
    """The rows as features of the genome; rows of records that it lacks, such as patches, are skipped."""
    bounds = records_of(genome)
    spelt = {name: same_record(name, bounds) for name in {row.record for row in rows}}
    for row in rows:
        record = spelt[row.record]
        if record is None:
            continue
        offset, end = bounds[record]
        over = max(0, row.stop - (end - offset)) if row.record in circular else 0  # bases beyond the origin
        if not 0 <= row.start < row.stop - over <= end - offset or over > end - offset:
            raise DataError(
                f"{path}, line {row.line}: {row.start + 1}-{row.stop} is not a part of record {shown(record)}, which "
                f"has {end - offset:,} bases."
            )
        start, stop = offset + row.start, offset + row.stop - over
        yield Feature(row.names, start, stop, row.reverse, has_start=not (over and row.reverse))
        if over:
            yield Feature(row.names, offset, offset + over, row.reverse, has_start=row.reverse)
