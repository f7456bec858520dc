"""Sequences for a model, one by one and with names: from a genome file, a table, or regions of a genome.

A file's kind is recognised by its content. Sequences come in the file's order, in the letters A C G T N.
"""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from genomask.data.bases import letters_of, reverse_complement
from genomask.data.bed import read_regions
from genomask.data.fasta_index import read_part
from genomask.data.genome import Genome
from genomask.data.genome_formats import is_genome, read_genome
from genomask.data.table import table_rows
from genomask.errors import DataError
from genomask.files.inputs import named, require_file, split_at_file

_LETTERS = "ACGTURYSWKMBDHVN"
_AS_ACGTN = str.maketrans(_LETTERS + _LETTERS.lower(), 2 * "ACGTTNNNNNNNNNNN")
_ODD_LETTER = re.compile("[^ACGTN]")


class NamedSequence(NamedTuple):
    """One sequence and its name."""

    name: str
    """One line, without tabs."""
    bases: str
    """Upper-case letters A C G T N; for a model of text, its text."""


@dataclass(frozen=True, kw_only=True)
class SequenceFile:
    """Which sequences are read."""

    path: Path
    """A genome file, or FASTA:RECORD:FIRST-LAST for a part of one; a TSV or CSV table; or, with a genome, a BED file of
    its regions. /dev/stdin: read as it comes."""
    genome: tuple[Path, ...] = ()
    """Files or folders."""
    column: str = ""
    """Header of the sequences in a table; the usual one if empty."""
    ambiguous: str = "error"
    """Letters such as R in FASTA: "error" refuses them, "n" reads them as N (as in tables)."""
    most_bases: int = 100_000
    """Most letters of one sequence; a longer one is refused, as attention costs the square of its length."""

    @property
    def files(self) -> list[Path]:
        """What is read, and must not be overwritten."""
        return [split_at_file(str(self.path))[0] or self.path, *self.genome]

    def read(self) -> Iterator[NamedSequence]:
        """The sequences in the file's order.

        Names are those of the records; for a part RECORD:FIRST-LAST; for a table its column `name`, else the number
        of the row; for regions the fourth column, else record:start-stop. A region whose sixth column is - is read on
        the reverse strand. Raises DataError for a file that is none of these or holds no sequence, and for a sequence
        of more than `most_bases` bases.
        """
        file, part = split_at_file(str(self.path))
        require_file(file or self.path)
        if file and part:
            found = self._of_part(file, part)
        elif self.genome:
            found = self._of_regions(Genome.open(self.genome, ambiguous=self.ambiguous))
        elif is_genome(self.path):
            found = self._of_records()
        else:
            found = self._of_table()
        first = next(found, None)
        if first is None:
            raise DataError(f"{named(self.path)}: it contains no sequence. Give a file with at least one.")
        yield first
        yield from found

    def _of_part(self, file: Path, part: str) -> Iterator[NamedSequence]:
        codes = read_part(file, part, self.ambiguous).codes
        self._check_length(part, len(codes))
        yield NamedSequence(_one_line(part), letters_of(codes))

    def _of_records(self) -> Iterator[NamedSequence]:
        pieces_of_all = read_genome(self.path, self.ambiguous)
        for record, pieces in itertools.groupby(pieces_of_all, key=lambda piece: piece.record):
            name, bases = _one_line(record), 0
            letters = []
            for piece in pieces:
                bases += len(piece.codes)
                self._check_length(name, bases)
                letters.append(letters_of(piece.codes))
            yield NamedSequence(name, "".join(letters))

    def _of_table(self) -> Iterator[NamedSequence]:
        if self.path.name.removesuffix(".gz").endswith(".bed"):
            raise DataError(f"{self.path}: a BED file names regions; give their genome with --genome.")
        for row, (text, name) in table_rows(self.path, {"sequence-column": self.column or "sequence"}, optional="name"):
            where = f"{named(self.path)}, row {row}"
            sequence = NamedSequence(_one_line(name) or str(row), clean_sequence(text, where))
            self._check_length(sequence.name, len(sequence.bases))
            yield sequence

    def _of_regions(self, genome: Genome) -> Iterator[NamedSequence]:
        for region in read_regions(self.path, genome):
            name = _one_line(region.name)
            self._check_length(name, region.stop - region.start)
            bases = letters_of(genome.codes[region.start : region.stop])
            yield NamedSequence(name, reverse_complement(bases) if region.reverse else bases)

    def _check_length(self, name: str, bases: int) -> None:
        if bases > self.most_bases:
            raise DataError(
                f"{named(self.path)}: {name} has more than {self.most_bases:,} bases, the limit for one sequence. "
                "Give parts of it: the regions of a BED file, with the genome as --genome."
            )


def _one_line(name: str) -> str:
    return " ".join(name.split())


def clean_sequence(text: str, where: str) -> str:
    """The sequence in the letters A C G T N; `where` begins the message if it is not one."""
    words = text.translate(_AS_ACGTN).split()
    if not words:
        raise DataError(f"{where}: the sequence is empty. Give the row a sequence, or remove it.")
    sequence = words[0] if len(words) == 1 else join_kmers(words, where)
    odd = _ODD_LETTER.search(sequence)
    if odd:
        raise DataError(
            f"{where}: {odd[0]!r} at position {odd.start() + 1} is not a letter of DNA. "
            "Sequences are made of A C G T (or U), N, and the other IUPAC letters, which are read as N."
        )
    return sequence


def join_kmers(words: list[str], where: str) -> str:
    """The sequence that consecutive k-mers were cut from; DataError where they do not overlap by k - 1 letters."""
    k = len(words[0])
    for number, (left, right) in enumerate(itertools.pairwise(words), 1):
        if len(right) != k or left[1:] != right[:-1]:
            raise DataError(
                f"{where}: {right[:20]!r}, word {number + 1}, does not continue {left[:20]!r}; words "
                f"must be k-mers of {k} letters that overlap by {k - 1}. Give k-mers of consecutive positions, "
                "or plain sequences."
            )
    return words[0] + "".join(word[-1] for word in words[1:])
