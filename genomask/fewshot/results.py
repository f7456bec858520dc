"""results.csv: one row per measurement, written as it is measured, so that a killed run resumes where it stopped.

In: an output folder, and what its measurements depend on. Out: rows on disk. protocol.json beside them holds the
settings and the hashes of models and tasks; a call with others is refused for this folder.
"""

import hashlib
import io
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from genomask.data.tasks import LabelledTask
from genomask.errors import DataError, SettingsError
from genomask.fewshot.methods import METHODS
from genomask.fewshot.metrics import METRICS
from genomask.files.atomic import atomic_write, naming


class Cell(NamedTuple):
    """What is measured: the columns that name a row."""

    model: str
    strategy: str
    pretraining_seed: int
    task: str
    shot: int
    draw: int
    method: str


NO_MODEL = "none"
"""model and strategy of a floor that needs no model: measured once for all models of a folder."""

RESULT_FILES = ("results.csv", "correct.csv", "summary.csv", "protocol.json", "fewshot.svg", "fewshot.png")
"""The files in a folder of few-shot results."""

NAMES = ("model", "strategy", "task")
COLUMNS = [*Cell._fields, "n_train", "n_test", *METRICS]
KINDS = dict.fromkeys(COLUMNS, np.int64) | dict.fromkeys((*NAMES, "method"), str) | dict.fromkeys(METRICS, np.float64)

ROUNDING = 1e-9
"""A metric may exceed its range by this: scikit-learn's auprc of a perfect ranking is 1 + 2e-16 for 43 positives."""
RANGES = (
    dict.fromkeys(("shot", "n_train", "n_test"), (1, np.inf))
    | {"draw": (0, np.inf)}
    | dict.fromkeys(METRICS, (-ROUNDING, 1 + ROUNDING))
    | {"mcc": (-1 - ROUNDING, 1 + ROUNDING)}
)
"""The range of each figure, by its column."""


class ResultsFile:
    """The rows of one folder's results.csv."""

    def __init__(self, folder: Path, protocol: dict[str, dict[str, Any]]) -> None:
        """Open a folder; `protocol` holds tables of named values that must not change.

        Nothing is written before the first row: a call that fails earlier leaves no protocol that binds the next one.
        Raises SettingsError if the folder has rows and its protocol.json another value for one of the names;
        DataError if either file is damaged.
        """
        self.path = folder / "results.csv"
        self.done: set[tuple[Any, ...]] = set()
        if self.path.exists() and (self.path.is_dir() or self.path.stat().st_size):
            self.done.update(read_results(folder)[list(Cell._fields)].itertuples(index=False, name=None))
        kept = read_protocol(folder) if self.done else {"tasks": {}}
        if not {Cell(*cell).task for cell in self.done} <= kept["tasks"].keys():
            raise damaged(folder / "protocol.json")
        self._protocol = _joined(folder, kept, protocol)

    def append(self, cell: Cell, n_train: int, n_test: int, scores: dict[str, float]) -> None:
        """Add one row and give it to the operating system at once."""
        self._begin()
        row = pd.DataFrame([[*cell, n_train, n_test, *(scores[metric] for metric in METRICS)]], columns=COLUMNS)
        with naming(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(row.to_csv(index=False, header=False))
        self.done.add(tuple(cell))

    def _begin(self) -> None:
        """Write the protocol and the header, once."""
        if self._protocol:
            atomic_write(self.path.parent / "protocol.json", self._protocol)
            if not self.done:
                atomic_write(self.path, ",".join(COLUMNS) + "\n")
            cut_torn_line(self.path)
        self._protocol = ""

    def rows(self, cells: Iterable[Cell]) -> pd.DataFrame:
        """The rows of these cells, in their order."""
        known = read_results(self.path.parent)
        wanted = pd.DataFrame(list(cells), columns=list(Cell._fields))
        return wanted.merge(known, on=list(Cell._fields), how="left", validate="one_to_one")[COLUMNS]


def read_results(folder: Path) -> pd.DataFrame:
    """All rows of a folder's results.csv; names stay text even where they look like numbers or missing values.

    A last line cut short by a kill is ignored. Raises DataError for a damaged or foreign file.
    """
    path = folder / "results.csv"
    try:
        text = whole_lines(path)
        with np.errstate(invalid="raise"):
            rows = pd.read_csv(
                io.StringIO(text),
                dtype=KINDS,
                keep_default_na=False,
                na_values={metric: [""] for metric in METRICS},
                float_precision="round_trip",
            )
    except (OSError, ValueError, ArithmeticError) as error:  # ArithmeticError: a number beyond its column's type
        raise damaged(path) from error
    if list(rows.columns) != COLUMNS or rows.duplicated(list(Cell._fields)).any() or not _in_range(rows):
        raise damaged(path)
    return rows


def _in_range(rows: pd.DataFrame) -> bool:
    """Whether each figure is possible; auroc and auprc are missing where the test set has one class."""
    ranges = [rows[name].dropna().between(*borders).all() for name, borders in RANGES.items()]
    return (
        set(rows["method"]) <= METHODS.keys()
        and all(ranges)
        and not rows[["accuracy", "f1_macro", "mcc"]].isna().any(axis=None)
    )


def read_protocol(folder: Path) -> dict[str, dict[str, Any]]:
    """What the rows of a folder depend on. Raises DataError for a missing, damaged or foreign file."""
    path = folder / "protocol.json"
    try:
        tables: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
        whole = all(isinstance(table, dict) for table in tables.values()) and all(
            type(task["smallest_class"]) is int for task in tables["tasks"].values()
        )
    except (OSError, ValueError, RecursionError, TypeError, KeyError, AttributeError) as error:
        raise damaged(path) from error
    if not whole:
        raise damaged(path)
    return tables


def damaged(path: Path) -> DataError:
    """The error for a file that does not hold what was written to it."""
    return DataError(f"{path} is missing or damaged; restore it from a backup, or give another --out.")


def task_digest(task: LabelledTask) -> str:
    """Hash of a task's sequences and labels."""
    digest = hashlib.blake2b(digest_size=16)
    for sequence, label in zip(task.sequences, task.labels.tolist(), strict=True):
        digest.update(f"{sequence}\t{task.classes[label]}\n".encode())
    return digest.hexdigest()


def _joined(folder: Path, kept: dict[str, dict[str, Any]], protocol: dict[str, dict[str, Any]]) -> str:
    """The text of protocol.json, with new values added to those `folder` has; refuses values that differ.

    As every call has all settings, one that the folder lacks differs too: its rows are an older version's.
    """
    for table, values in protocol.items():
        known = kept.setdefault(table, {})
        is_older = table == "settings" and bool(known)
        for name, value in values.items():
            if is_older and name not in known:
                raise SettingsError(
                    f"{folder} holds results of a version without the setting {name!r}; give another --out."
                )
            if known.setdefault(name, value) != value:
                raise SettingsError(
                    f"{folder} already holds results with another {table.rstrip('s')} {name!r} "
                    f"({known[name]}, now {value}); give another --out."
                )
    return json.dumps(kept, indent=2, sort_keys=True) + "\n"


def whole_lines(path: Path) -> str:
    """The text of a file without a last line that a kill cut short."""
    content = path.read_bytes()
    return content[: content.rfind(b"\n") + 1].decode()


def cut_torn_line(path: Path) -> None:
    """Drop such a line from the file before another is added."""
    content = path.read_bytes()
    if content and not content.endswith(b"\n"):
        os.truncate(path, content.rfind(b"\n") + 1)
