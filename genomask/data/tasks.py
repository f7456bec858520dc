"""A table of labelled sequences in, a task for few-shot classification out.

The file is TSV or CSV (its first line says which), plain or gzip, with the columns `sequence` and `label`; others are
ignored.
A row is a line. TSV has no quoting; a cell that is quoted whole, as R writes it, is read without its quotes. A sequence
is plain DNA, or overlapping k-mers separated by spaces, which are joined back. Rows are numbered as an editor shows
them: the header is row 1.
"""

import csv
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genomask.data.lines import LONGEST_LINE, numbered_lines
from genomask.errors import DataError, quoted, shown

_LETTERS = "ACGTURYSWKMBDHVN"
_AS_ACGTN = str.maketrans(_LETTERS + _LETTERS.lower(), 2 * "ACGTTNNNNNNNNNNN")
_ODD_LETTER = re.compile("[^ACGTN]")
_INTEGER = re.compile(r"[+-]?\d{1,18}")
MANY_CLASSES = 20
"""With more, numbers that differ from row to row are measurements."""

csv.field_size_limit(LONGEST_LINE)  # by default 131,072, fewer than a gene may have


@dataclass(frozen=True)
class Columns:
    """The names of the columns that are read; upper and lower case are alike."""

    sequence: str = "sequence"
    label: str = "label"


USUAL = Columns()


@dataclass(frozen=True)
class LabelledTask:
    """Sequences and their classes; `labels` index into `classes`, which are sorted (as numbers if all are integers)."""

    name: str
    sequences: list[str]
    """Upper-case letters A C G T N."""
    labels: np.ndarray
    """(n,) int64"""
    classes: list[str]
    path: Path


def read_task(path: Path | str, name: str | None = None, columns: Columns = USUAL) -> LabelledTask:
    """The task in a file; its name is by default that of `task_name`.

    U is read as T, lower case as upper, IUPAC letters other than A C G T as N. Raises DataError with the row for
    whatever is wrong with the file.
    """
    path = Path(path)
    sequences, labels = [], []
    for row, sequence, label in _cells(path, columns):
        sequences.append(_clean(sequence, f"{path}, row {row}"))
        if not label:
            raise DataError(f"{path}, row {row}: the label is empty. Give the row a label, or remove it.")
        labels.append(label)
    classes = _sorted_classes(labels)
    if len(classes) < 2:
        found = (
            f"all {len(labels):,} rows have label {quoted(classes[0])}"
            if classes
            else "there are no rows below the header"
        )
        raise DataError(f"{path}: {found}; a task needs at least two classes. Give a file with rows of each.")
    if _are_measurements(classes, len(labels)):
        raise DataError(
            f"{path}: these labels look like measurements ({len(classes):,} different numbers in {len(labels):,} rows, "
            f"such as {shown(classes[0])}); few-shot needs classes. Sort the rows into some, or name classes by words."
        )
    number = {text: i for i, text in enumerate(classes)}
    indices = np.array([number[text] for text in labels], dtype=np.int64)
    return LabelledTask(name or task_name(path), sequences, indices, classes, path)


def task_name(path: Path) -> str:
    """The file's name without endings; its folder's where the file is only called train, pool, test or a number."""
    stem = path.name.split(".")[0]
    is_generic = stem.isdigit() or stem.lower() in ("train", "pool", "test")
    return path.resolve().parent.name if is_generic else stem


def _cells(path: Path, columns: Columns) -> Iterator[tuple[int, str, str]]:
    """Row number, sequence and label of each row that is not blank."""
    lines = numbered_lines(path)
    _, header = next(lines)
    delimiter = _delimiter(path, header)
    names = [name.lower() for name in _split(header, delimiter, f"{path}, row 1")]
    sequence, label = (_column(path, names, option, getattr(columns, option)) for option in ("sequence", "label"))
    for number, line in lines:
        where = f"{path}, row {number}"
        row = _split(line, delimiter, where)
        if not any(row):
            continue
        if len(row) != len(names):
            raise DataError(
                f"{where}: {len(row)} columns where the header has {len(names)}. Give each row a cell for each column."
            )
        if [cell.lower() for cell in row] == names:
            raise DataError(f"{where}: the header once more, as in files that were joined. Remove that row.")
        yield number, row[sequence], row[label]


def _split(line: str, delimiter: str, where: str) -> list[str]:
    """The cells of a row, without blanks around them and without their quotes."""
    if delimiter == "," and '"' in line:
        try:
            return [cell.strip() for cell in next(csv.reader([line], strict=True, skipinitialspace=True))]
        except csv.Error as error:
            raise DataError(
                f"{where}: a quote is opened and not closed in its row, or closed within a cell ({error}). "
                "Write each row on one line, and quotes within quotes twice."
            ) from error
    return [_unquoted(cell.strip()) for cell in line.split(delimiter)]


def _unquoted(cell: str) -> str:
    return cell[1:-1].replace('""', '"').strip() if len(cell) > 1 and cell[0] == cell[-1] == '"' else cell


def _delimiter(path: Path, header: str) -> str:
    for delimiter in ("\t", ","):
        if delimiter in header:
            return delimiter
    raise DataError(
        f"{path}, row 1: neither a tab nor a comma in {header.strip()[:40]!r}, so this is no TSV or CSV table. "
        "Give a table with the columns sequence and label."
    )


def _column(path: Path, names: list[str], option: str, name: str) -> int:
    """Where the column called `name` is; `option` is what it holds."""
    wanted = name.strip().lower()
    if names.count(wanted) == 1:
        return names.index(wanted)
    found = shown(", ".join(map(shown, names)), most=400)
    if wanted in names:
        raise DataError(f"{path}, row 1: {names.count(wanted)} columns are called {wanted!r}; keep one of: {found}.")
    raise DataError(
        f"{path}, row 1: no column {wanted!r} among: {found}. "
        f"Rename the column that holds it, or name it by --{option}-column."
    )


def _clean(text: str, where: str) -> str:
    """The sequence in the letters A C G T N; `where` begins the message if it is not one."""
    words = text.translate(_AS_ACGTN).split()
    if not words:
        raise DataError(f"{where}: the sequence is empty. Give the row a sequence, or remove it.")
    sequence = words[0] if len(words) == 1 else join_kmers(words, where)
    odd = _ODD_LETTER.search(sequence)
    if odd:
        raise DataError(
            f"{where}: {odd[0]!r} at position {odd.start() + 1} is no letter of DNA. "
            "Sequences are made of A C G T (or U), N, and the other IUPAC letters, which are read as N."
        )
    return sequence


def join_kmers(words: list[str], where: str) -> str:
    """The sequence that consecutive k-mers were cut from; DataError where they do not overlap by k - 1 letters."""
    k = len(words[0])
    for number, (left, right) in enumerate(itertools.pairwise(words), 1):
        if len(right) != k or left[1:] != right[:-1]:
            raise DataError(
                f"{where}: {right[:20]!r}, word {number + 1}, does not go on where {left[:20]!r} ends; words "
                f"must be k-mers of {k} letters that overlap by {k - 1}. Give k-mers of consecutive positions, "
                "or plain sequences."
            )
    return words[0] + "".join(word[-1] for word in words[1:])


def _sorted_classes(labels: list[str]) -> list[str]:
    distinct = sorted(set(labels))
    return sorted(distinct, key=int) if all(_INTEGER.fullmatch(text) for text in distinct) else distinct


def _are_measurements(classes: Sequence[str], n_rows: int) -> bool:
    """Numbers, and either not whole ones or too many, of which nearly each row has its own?"""
    try:
        values = [float(text) for text in classes]
    except ValueError:
        return False
    is_many, is_sparse = len(values) > MANY_CLASSES, len(values) > max(2, n_rows / 2)
    are_whole = all(value.is_integer() for value in values)
    return is_many and is_sparse if are_whole else is_many or is_sparse
