"""A table of labelled sequences in, a task for few-shot classification out.

The file is a table (see table.py) with the columns `sequence` and `label`; a sequence is plain DNA, or overlapping
k-mers (see sequences.py).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from genomask.data.sequences import clean_sequence
from genomask.data.table import table_rows
from genomask.errors import DataError, counted, quoted, shown
from genomask.files.inputs import named

_INTEGER = re.compile(r"[+-]?\d{1,18}")
MANY_CLASSES = 20
"""With more, numbers that differ from row to row count as measurements, and words as names."""


@dataclass(frozen=True)
class Columns:
    """The names of the columns that are read; case is ignored."""

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
    rows: tuple[int, ...] = ()
    """The row of each sequence in the file; none if that is no table."""

    def called(self, at: int) -> str:
        """What messages call sequence number `at`, from 0."""
        return f"row {self.rows[at]}" if self.rows else f"example {at + 1}"


def read_task(path: Path | str, name: str | None = None, columns: Columns = USUAL) -> LabelledTask:
    """The task in a file; by default, its name is that of `task_name`.

    U is read as T, lower case as upper, IUPAC letters other than A C G T as N. Raises DataError, with the row, for
    anything wrong with the file.
    """
    path = Path(path)
    rows, sequences, labels = [], [], []
    for row, (sequence, label) in table_rows(
        path, {"sequence-column": columns.sequence, "label-column": columns.label}
    ):
        sequences.append(clean_sequence(sequence, f"{named(path)}, row {row}"))
        if not label:
            raise DataError(f"{named(path)}, row {row}: the label is empty. Give the row a label, or remove it.")
        labels.append(label)
        rows.append(row)
    return replace(task_of(path, sequences, labels, name), rows=tuple(rows))


def task_of(path: Path, sequences: list[str], labels: list[str], name: str | None = None) -> LabelledTask:
    """The task of sequences and their labels, as in `read_task`."""
    classes = classes_of(labels, path, "few-shot needs classes. Group the rows into some, or use words as their names.")
    number = {text: i for i, text in enumerate(classes)}
    indices = np.array([number[text] for text in labels], dtype=np.int64)
    return LabelledTask(name or task_name(path), sequences, indices, classes, path)


def task_name(path: Path) -> str:
    """The file's name without endings; its folder's if the file is only called train, pool, test or a number."""
    stem = path.name.split(".")[0]
    is_generic = stem.isdigit() or stem.lower() in ("train", "pool", "test")
    return path.resolve().parent.name if is_generic else stem


def classes_of(labels: Sequence[str], path: Path, of_measurements: str) -> list[str]:
    """The different labels in their order.

    Raises DataError for fewer than two, for labels that differ in every row, as names do, and for measurements, with
    the advice `of_measurements`.
    """
    classes = sorted(set(labels))
    if len(classes) < 2:
        found = (
            f"{quoted(classes[0])} is the only label, in {counted(len(labels), 'row')}"
            if classes
            else "there are no rows below the header"
        )
        raise DataError(f"{named(path)}: {found}; a task needs at least two classes. Give a file with rows of each.")
    if _are_measurements(classes, len(labels)):
        raise DataError(
            f"{named(path)}: these labels look like measurements ({len(classes):,} different numbers in "
            f"{len(labels):,} rows, such as {shown(classes[0])}); {of_measurements}"
        )
    if len(classes) == len(labels) > MANY_CLASSES:
        raise DataError(
            f"{named(path)}: each of its {len(labels):,} rows has a different label, such as {shown(classes[0])}, so "
            "there is nothing to learn. Name the column of the classes with --label-column."
        )
    return sorted(classes, key=int) if all(_INTEGER.fullmatch(text) for text in classes) else classes


def _are_measurements(classes: Sequence[str], n_rows: int) -> bool:
    """Are these numbers, and many, or nearly one per row? Both must hold for whole numbers."""
    try:
        values = [float(text) for text in classes]
    except ValueError:
        return False
    is_many, is_sparse = len(values) > MANY_CLASSES, len(values) > max(2, n_rows / 2)
    are_whole = all(value.is_integer() for value in values)
    return is_many and is_sparse if are_whole else is_many or is_sparse
