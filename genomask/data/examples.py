"""A table of sequences and what to learn about each in; examples out: each has a class, several labels, or a number.

The table is read as that of a task (tasks.py). A `;` in any label gives all rows several labels, and so do several
label columns, of 0 and 1.

Letters: N examples, C classes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from genomask.data.reading import DNA, Reading
from genomask.data.table import table_rows
from genomask.data.tasks import classes_of
from genomask.errors import DataError, SettingsError, counted, quoted, shown
from genomask.files.inputs import named

ONE, SEVERAL, NUMBER = "single_label_classification", "multi_label_classification", "regression"
"""What is learnt about a sequence, in transformers' terms (`problem_type`)."""

LARGEST_TARGET = 1e30
"""The largest absolute value of a target, well within fp32."""
T = TypeVar("T")
MEASUREMENTS = "for a regression, name their column with --target."


@dataclass(frozen=True, kw_only=True)
class ExampleColumns:
    """The columns of a table that are read; case is ignored."""

    sequence: str = ""
    """The usual one if empty; for texts, two separated by a comma make pairs."""
    labels: tuple[str, ...] = ("label",)
    target: str = ""
    """A column of numbers: it makes a regression, and `labels` are not read."""

    def __post_init__(self) -> None:
        if not self.target and (not self.labels or len({name.lower() for name in self.labels}) < len(self.labels)):
            raise SettingsError("--label-column takes one name, or different ones separated by commas.")


@dataclass(frozen=True)
class Examples:
    """N sequences and what is known about them."""

    path: Path
    sequences: list[str]
    """Upper-case letters A C G T N; for a model of text, its text, or both of a pair separated by a tab."""
    problem: str
    """ONE, SEVERAL or NUMBER."""
    classes: list[str]
    """C names; for a regression, that of its target."""
    targets: np.ndarray
    """ONE: (N,) int64, numbers of classes. SEVERAL: (N, C) float64, 0 and 1. NUMBER: (N, 1) float64."""
    names: tuple[str, ...] = ()
    """What messages call each, by its row in the file; empty if that is not known."""


@dataclass(frozen=True)
class _Rows:
    """The cells beside the sequences, with the numbers of their rows."""

    path: Path
    numbers: list[int]
    cells: list[list[str]]

    def each(self, read: Callable[[str, str], T]) -> list[list[T]]:
        """Every cell, read by a function of the cell and its place."""
        return [
            [read(cell, f"{named(self.path)}, row {number}") for cell in cells]
            for number, cells in zip(self.numbers, self.cells, strict=True)
        ]


def read_examples(
    path: Path, columns: ExampleColumns, like: Examples | None = None, reading: Reading = DNA
) -> Examples:
    """The examples of a table, as `reading` takes them, with the classes and problem of `like`, a table read before.

    Raises DataError, with the row, for anything wrong: an empty or odd sequence, a label that is empty or that `like`
    lacks, a target that is no number, fewer than two classes, targets that are all the same.
    """
    asked = {"target": columns.target} if columns.target else {"label-column": columns.labels}
    sequences: list[str] = []
    rows = _Rows(path, [], [])
    names = reading.columns(columns.sequence)
    for row, cells in table_rows(path, {"sequence-column": names, **asked}):
        sequences.append(reading.joined(cells[: len(names)], f"{named(path)}, row {row}"))
        rows.numbers.append(row)
        rows.cells.append(cells[len(names) :])
    if not sequences:
        raise DataError(f"{named(path)}: there are no rows below the header. Give a file with examples.")
    learnt = _learnt(rows, columns, like)
    return Examples(path, sequences, *learnt, names=tuple(f"row {number}" for number in rows.numbers))


def _learnt(rows: _Rows, columns: ExampleColumns, like: Examples | None) -> tuple[str, list[str], np.ndarray]:
    """Problem, classes and targets."""
    if columns.target:
        return NUMBER, [columns.target], _numbers(rows, columns.target, is_first=not like)
    if len(columns.labels) > 1:
        return SEVERAL, list(columns.labels), np.array(rows.each(_zero_or_one))
    if like.problem == SEVERAL if like else any(";" in cell for [cell] in rows.cells):
        return SEVERAL, *_several(rows, like)
    return ONE, *_one(rows, like)


def _one(rows: _Rows, like: Examples | None) -> tuple[list[str], np.ndarray]:
    labels = [label for [label] in rows.each(_label)]
    classes = like.classes if like else classes_of(labels, rows.path, MEASUREMENTS)
    number = {name: at for at, name in enumerate(classes)}
    if like:
        _refuse_unknown(rows, [[label] for label in labels], like)
    return classes, np.array([number[label] for label in labels], dtype=np.int64)


def _several(rows: _Rows, like: Examples | None) -> tuple[list[str], np.ndarray]:
    labels = [found for [found] in rows.each(lambda cell, _: _labels(cell))]
    classes = like.classes if like else sorted({label for found in labels for label in found})
    if len(classes) < 2:
        raise DataError(
            f"{named(rows.path)}: no label except {quoted(classes[0] if classes else '')}; give rows with at least two."
        )
    if like:
        _refuse_unknown(rows, labels, like)
    return classes, np.array([[float(name in found) for name in classes] for found in labels])


def _refuse_unknown(rows: _Rows, labels: Sequence[Sequence[str]], like: Examples) -> None:
    known = set(like.classes)
    for number, found in zip(rows.numbers, labels, strict=True):
        if other := [label for label in found if label not in known]:
            raise DataError(
                f"{named(rows.path)}, row {number}: label {quoted(other[0])} is not in the training file "
                f"{named(like.path)}, whose labels are {shown(', '.join(like.classes), most=400)}. Give both files "
                "the same labels."
            )


def _numbers(rows: _Rows, name: str, *, is_first: bool) -> np.ndarray:
    numbers: np.ndarray = np.array(rows.each(_number))
    if is_first and (numbers == numbers[0]).all():
        raise DataError(
            f"{named(rows.path)}: column {quoted(name)} has only {numbers[0, 0]:g}, in "
            f"{counted(len(numbers), 'row')}, so there is nothing to learn. Give rows whose targets differ."
        )
    return numbers


def _label(cell: str, where: str) -> str:
    if not cell:
        raise DataError(f"{where}: the label is empty. Give the row a label, or remove it.")
    return " ".join(cell.split())


def _labels(cell: str) -> list[str]:
    """The labels between semicolons; none for an empty cell."""
    return [" ".join(label.split()) for label in cell.split(";") if label.strip()]


def _zero_or_one(cell: str, where: str) -> float:
    if cell not in ("0", "1"):
        raise DataError(f"{where}: {quoted(cell)} in a column of labels, which must be 0 or 1.")
    return float(cell)


def _number(cell: str, where: str) -> float:
    try:
        value = float("nan" if "_" in cell else cell)  # Python would read 1_000
    except ValueError:
        value = float("nan")
    if not abs(value) <= LARGEST_TARGET:
        raise DataError(
            f"{where}: the target {quoted(cell)} is not a number of at most {LARGEST_TARGET:g}. Give a number, or "
            "remove the row."
        )
    return value
