"""`genomask npmi`, except motifs: FASTA files in; a saved table of counts and scores, and its words, out."""

import hashlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import RenderableType

from genomask.data.bed import read_bed
from genomask.data.genome import Genome
from genomask.errors import DataError, SettingsError
from genomask.files.outputs import require_own, require_writable, writing
from genomask.masking.npmi import Definition, NpmiTable, Strand, check_npmi_settings, rarity_warning
from genomask.masking.npmi.counting import MAX_N
from genomask.masking.npmi.file import is_table
from genomask.report.npmi_frames import best_frame, is_tsv, lengths_frame, origin, write_tsv
from genomask.report.tables import rich_table
from genomask.terminal.console import Line

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class NpmiRequest:
    """What to count, and how to score it."""

    genome: tuple[Path, ...]
    ambiguous: str = "error"
    bed: Path | None = None
    """Regions to count; None: the whole genome."""
    flank: int = 0
    """Bases added on both sides of each region."""
    max_n: int = 10
    min_count: int = 101
    definition: Definition = "exact"
    strand: Strand = "forward"

    def __post_init__(self) -> None:
        check_npmi_settings(self.min_count, self.definition, self.strand)
        if self.flank and not self.bed:
            raise SettingsError(
                "--flank adds bases to the regions of a BED file; give one with --bed, or leave it out."
            )
        if not 2 <= self.max_n <= MAX_N:
            raise SettingsError(f"--max-n must lie between 2 and {MAX_N} (a table of 4**{MAX_N}); got {self.max_n}.")


def count_words(request: NpmiRequest, out: Path, tsv: Path | None) -> Iterator[RenderableType]:
    """`genomask npmi count`: write the table and yield what to print."""
    table = count_and_save(request, out, tsv)
    yield rich_table(lengths_frame(table), caption=origin(table))
    yield Line(f"table: {out}")
    if tsv:
        yield Line(f"text: {tsv}")


def best_words(path: Path, n: int | None, top: int, tsv: Path | None) -> Iterator[RenderableType]:
    """`genomask npmi show`: the best words in a table's file; n None: of the longest that have scores."""
    table = NpmiTable.load(path)
    if tsv:
        export_tsv(table, n, tsv, path)
    shown = longest_scored(table) if n is None else n
    yield rich_table(best_frame(table, shown, top), caption=origin(table))


def count_and_save(request: NpmiRequest, out: Path, tsv: Path | None) -> NpmiTable:
    """Count and score, warn if too many words are rare, and write the table and, if asked for, its text."""
    inputs = [*request.genome, *filter(None, [request.bed])]
    require_writable(out, "--out", inputs)
    require_own(out, "--out", is_table, "an NPMI table")
    if tsv:
        require_writable(tsv, "--tsv", [*inputs, out])
        require_own(tsv, "--tsv", is_tsv, "such a text")
    table = count_table(request)
    unscored = first_unscored(table)
    if warning := rarity_warning(table, range(2, unscored), "--min-count or --max-n"):
        log.warning(warning)
    if unscored <= table.max_n:
        log.warning(
            f"no word of {unscored} bases or more is counted {table.min_count} times, so none of them has an NPMI; "
            "lower --min-count, or count a larger genome"
        )
    with writing(out, "--out"):
        table.save(out)
    if tsv:
        export_tsv(table, None, tsv, out)
    return table


def first_unscored(table: NpmiTable) -> int:
    """The first length at which no word is counted often enough for an NPMI; max_n + 1 if there is none."""
    lengths = range(2, table.max_n + 1)
    return next((n for n in lengths if table.counts(n).max() < table.min_count), table.max_n + 1)


def longest_scored(table: NpmiTable) -> int:
    """The length of the longest words that have scores; 2 if none has, which `best_frame` refuses."""
    longest = max(2, first_unscored(table) - 1)
    if longest < table.max_n and first_unscored(table) > 2:
        log.info("no word of more than %d bases has a score in this table: showing those of %d", longest, longest)
    return longest


def count_table(request: NpmiRequest) -> NpmiTable:
    """Count the genome, or the regions of it, that the request names."""
    genome = Genome.open(request.genome, ambiguous=request.ambiguous)
    intervals, regions = genome.runs, ""
    if request.bed:
        intervals = read_bed(request.bed, genome, request.flank)
        _require_words(request.bed, intervals, request.max_n)
        digest = hashlib.blake2b(intervals.astype("<i8").tobytes(), digest_size=8).hexdigest()
        wider = f" with {request.flank:,} bases on both sides" if request.flank else ""
        regions = f"{request.bed.name}{wider} (hash {digest})"
    return NpmiTable.from_intervals(
        genome.codes,
        intervals,
        max_n=request.max_n,
        min_count=request.min_count,
        definition=request.definition,
        strand=request.strand,
        genome=genome.fingerprint,
        regions=regions,
    )


def _require_words(bed: Path, intervals: np.ndarray, max_n: int) -> None:
    """Raises DataError if no region holds a word, and warns if more than half hold none of max_n bases."""
    advice = "add bases on both sides of each with --flank, such as --flank 50"
    lengths = intervals[:, 1] - intervals[:, 0]
    if lengths.max() < 2:
        raise DataError(f"{bed}: its {len(lengths):,} regions are single bases, which are not words; {advice}.")
    if (short := int((lengths < max_n).sum())) > len(lengths) / 2:
        log.warning(f"{bed}: {short:,} of {len(lengths):,} regions are shorter than words of {max_n} bases; {advice}")


def export_tsv(table: NpmiTable, n: int | None, path: Path, source: Path) -> None:
    """Write the n-grams of length n, or of every length from 2, as text; never over the table's own file `source`."""
    require_writable(path, "--tsv", [source])
    require_own(path, "--tsv", is_tsv, "such a text")
    with writing(path, "--tsv"):
        write_tsv(table, range(2, table.max_n + 1) if n is None else [n], path)
