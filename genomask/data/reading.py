"""What a model reads, DNA or text: which column of a table it takes, what a cell must hold, and how a file is read.

A pair of texts is one line with a tab between the two; within a text every blank is a space.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from genomask.data.genome_formats import is_genome
from genomask.data.lines import numbered_lines
from genomask.data.sequences import NamedSequence, SequenceFile, clean_sequence
from genomask.data.table import table_rows
from genomask.errors import DataError, SettingsError, quoted
from genomask.files.inputs import STDIN, named, require_file

PAIR = "\t"
"""Between two texts."""
TABLES = (".tsv", ".csv", ".tsv.gz", ".csv.gz")


@dataclass(frozen=True)
class Reading:
    """How a kind of model reads."""

    column: str
    """The usual header of what is read."""
    several: bool
    """May a row have two of them, as pairs of sentences?"""
    clean: Callable[[str, str], str]
    """From a cell and its place to what the model takes. Raises DataError."""
    read: Callable[[SequenceFile], Iterator[NamedSequence]]
    """Everything in a file."""
    alphabet: str
    """What a tokenizer must know to read it, in words."""

    def columns(self, asked: str) -> tuple[str, ...]:
        """The headers that an option names, by default the usual one. Raises SettingsError for more than two."""
        names = tuple(asked.split(",")) if self.several else (asked,)
        if len(names) > 2:
            raise SettingsError(
                f"--sequence-column {asked} names {len(names)} columns; name one for texts, or two for pairs."
            )
        return names if asked else (self.column,)

    def joined(self, cells: Sequence[str], where: str) -> str:
        """The cells of a row as one sequence."""
        return PAIR.join(self.clean(cell, where) for cell in cells)


def texts_of(line: str, where: str) -> list[str]:
    """The text of a line, or the two of a pair. Raises DataError for more."""
    texts = line.split(PAIR)
    if len(texts) > 2:
        raise DataError(
            f"{where}: {quoted(line, 40)} holds {len(texts)} texts separated by tabs. Give one, or two as a pair; "
            "for a table with more columns, choose with --sequence-column."
        )
    return texts


def clean_text(text: str, where: str) -> str:
    """A text on one line with single blanks; DataError for an empty one."""
    if not (words := text.split()):
        raise DataError(f"{where}: the text is empty. Give the row a text, or remove it.")
    return " ".join(words)


def read_texts(asked: SequenceFile) -> Iterator[NamedSequence]:
    """The texts of a file in its order: of a table (.tsv, .csv, or with the column in its first line), else its lines.

    Names are those of a table's column `name`, else the number of the row or line; blank lines are skipped. Raises
    SettingsError for a genome's regions, DataError for a genome and for a file without text.
    """
    path = asked.files[0]
    require_file(path)
    if asked.genome:
        raise SettingsError("--genome gives regions of DNA, but this is a model of text; leave it out.")
    if is_genome(path):
        raise DataError(f"{named(path)}: this is a genome, but the model reads text. Give a model of DNA, or a text.")
    names = TEXT.columns(asked.column)
    found = _of_table(asked, names) if _is_table(asked, names) else _of_lines(asked)
    first = next(found, None)
    if first is None:
        raise DataError(f"{named(path)}: it contains no text. Give a file with at least one.")
    yield from itertools.chain([first], found)


def _is_table(asked: SequenceFile, names: Sequence[str]) -> bool:
    if asked.column or asked.path.name.lower().endswith(TABLES):
        return True
    if asked.path == STDIN:  # read once, as it comes
        return False
    _, first = next(numbered_lines(asked.path))
    header = {cell.strip().lower() for delimiter in "\t," for cell in first.split(delimiter)}
    return header >= set(names)


def _of_table(asked: SequenceFile, names: Sequence[str]) -> Iterator[NamedSequence]:
    for row, (*cells, name) in table_rows(asked.path, {"sequence-column": names}, optional="name"):
        yield NamedSequence(" ".join(name.split()) or str(row), TEXT.joined(cells, f"{named(asked.path)}, row {row}"))


def _of_lines(asked: SequenceFile) -> Iterator[NamedSequence]:
    for number, line in numbered_lines(asked.path):
        if line.strip():
            where = f"{named(asked.path)}, line {number}"
            yield NamedSequence(str(number), TEXT.joined(texts_of(line, where), where))


DNA = Reading("sequence", several=False, clean=clean_sequence, read=SequenceFile.read, alphabet="plain DNA letters")
TEXT = Reading("text", several=True, clean=clean_text, read=read_texts, alphabet="the words of these texts")
