"""A table of labelled sequences in, a task for few-shot classification out.

The file is TSV or CSV (told by its first line), plain or gzip, with the columns `sequence` and `label`, others ignored.
A sequence is plain DNA, or overlapping k-mers separated by spaces, which are joined back. Rows are numbered as an
editor shows them: the header is row 1.
"""

import csv
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genomask.data.lines import numbered_lines
from genomask.errors import DataError

_AMBIGUOUS_TO_N = str.maketrans("URYSWKMBDHV", "TNNNNNNNNNN")
_ODD_LETTER = re.compile("[^ACGTN]")
_INTEGER = re.compile(r"[+-]?\d+")


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


def read_task(path: Path | str, name: str | None = None) -> LabelledTask:
    """The task in a file; its name is by default that of `task_name`.

    U is read as T, lower case as upper, IUPAC letters other than A C G T as N. Raises DataError with the row for
    whatever is wrong with the file.
    """
    path = Path(path)
    sequences, labels = [], []
    for row, sequence, label in _cells(path):
        sequences.append(_clean(sequence, f"{path}, row {row}"))
        if not label:
            raise DataError(f"{path}, row {row}: the label is empty. Give the row a label, or remove it.")
        labels.append(label)
    classes = _sorted_classes(labels)
    if len(classes) < 2:
        found = (
            f"all {len(labels):,} rows have label {classes[0]!r}" if classes else "there are no rows below the header"
        )
        raise DataError(f"{path}: {found}; a task needs at least two classes. Give a file with rows of each.")
    number = {text: i for i, text in enumerate(classes)}
    indices = np.array([number[text] for text in labels], dtype=np.int64)
    return LabelledTask(name or task_name(path), sequences, indices, classes, path)


def task_name(path: Path) -> str:
    """The file's name without endings; its folder's where the file is only called train, pool, test or a number."""
    stem = path.name.split(".")[0]
    is_generic = stem.isdigit() or stem.lower() in ("train", "pool", "test")
    return path.resolve().parent.name if is_generic else stem


def _cells(path: Path) -> Iterator[tuple[int, str, str]]:
    """Row number, sequence and label of each row that is not blank."""
    lines = (line for _, line in numbered_lines(path))
    header = next(lines)
    delimiter = _delimiter(path, header)
    names = [name.strip().lower() for name in next(csv.reader([header], delimiter=delimiter))]
    at = [_column(path, names, wanted) for wanted in ("sequence", "label")]
    rows = csv.reader(lines, delimiter=delimiter)
    try:
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            if len(row) != len(names):
                raise DataError(
                    f"{path}, row {rows.line_num + 1}: {len(row)} columns where the header has {len(names)}. "
                    "Give each row a cell for each column."
                )
            yield rows.line_num + 1, row[at[0]].strip(), row[at[1]].strip()
    except csv.Error as error:
        raise DataError(f"{path}, row {rows.line_num + 1}: not a table row ({error}). Correct that row.") from error


def _delimiter(path: Path, header: str) -> str:
    for delimiter in ("\t", ","):
        if delimiter in header:
            return delimiter
    raise DataError(
        f"{path}, row 1: neither a tab nor a comma in {header.strip()[:40]!r}, so this is no TSV or CSV table. "
        "Give a table with the columns sequence and label."
    )


def _column(path: Path, names: list[str], wanted: str) -> int:
    if names.count(wanted) == 1:
        return names.index(wanted)
    found = ", ".join(names)
    if wanted in names:
        raise DataError(f"{path}, row 1: {names.count(wanted)} columns are called {wanted!r}; keep one of: {found}.")
    raise DataError(f"{path}, row 1: no column {wanted!r} among: {found}. Rename the column that holds it.")


def _clean(text: str, where: str) -> str:
    """The sequence in the letters A C G T N; `where` begins the message if it is not one."""
    words = text.upper().translate(_AMBIGUOUS_TO_N).split()
    if not words:
        raise DataError(f"{where}: the sequence is empty. Give the row a sequence, or remove it.")
    sequence = words[0] if len(words) == 1 else _join_kmers(words, where)
    odd = _ODD_LETTER.search(sequence)
    if odd:
        raise DataError(
            f"{where}: {odd[0]!r} at position {odd.start() + 1} is no letter of DNA. "
            "Sequences are made of A C G T (or U), N, and the other IUPAC letters, which are read as N."
        )
    return sequence


def _join_kmers(words: list[str], where: str) -> str:
    k = len(words[0])
    for number, (left, right) in enumerate(itertools.pairwise(words), 1):
        if len(right) != k or left[1:] != right[:-1]:
            raise DataError(
                f"{where}: {right!r}, word {number + 1}, does not go on where {left!r} ends; words must be k-mers of "
                f"{k} letters that overlap by {k - 1}. Give k-mers of consecutive positions, or plain sequences."
            )
    return words[0] + "".join(word[-1] for word in words[1:])


def _sorted_classes(labels: list[str]) -> list[str]:
    distinct = sorted(set(labels))
    return sorted(distinct, key=int) if all(_INTEGER.fullmatch(text) for text in distinct) else distinct
