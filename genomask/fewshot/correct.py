"""correct.csv: which test sequences each measurement got right, so that scores can be computed without some of them.

One row per measurement, as in results.csv: the columns that name it, and one bit per test sequence, in hexadecimal
(numpy.packbits). It is written before the row in results.csv; of two rows with the same name, the later one counts.

Letters: N test sequences.
"""

import csv
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from genomask.fewshot.methods import PRETRAINED
from genomask.fewshot.results import Cell, cut_torn_line, damaged, whole_lines
from genomask.fewshot.statistics import MIN_SEEDS, mean_interval
from genomask.files.atomic import atomic_write, naming

NAME = "correct.csv"
COLUMNS = (*Cell._fields, "correct")


class CorrectFile:
    """The rows of one folder's correct.csv."""

    def __init__(self, folder: Path) -> None:
        """Raises DataError for a damaged or foreign file; nothing is written before the first row."""
        self.path = folder / NAME
        self.bits: dict[tuple[str, ...], str] = {}
        self._is_begun = False
        if not self.path.exists():
            return
        try:
            header, *rows = csv.reader(io.StringIO(whole_lines(self.path), newline=""))
            self.bits = {tuple(cell): bits for *cell, bits in rows}
            whole = tuple(header) == COLUMNS and all(len(cell) == len(Cell._fields) for cell in self.bits)
            whole = whole and all(bytes.fromhex(bits) for bits in self.bits.values())
        except (OSError, ValueError, csv.Error) as error:
            raise damaged(self.path) from error
        if not whole:
            raise damaged(self.path)

    def append(self, cell: Cell, correct: np.ndarray) -> None:
        """Add one row; `correct` is (N,) bool."""
        if not self._is_begun:
            if not self.path.exists():
                atomic_write(self.path, ",".join(COLUMNS) + "\n")
            cut_torn_line(self.path)
            self._is_begun = True
        named, bits = tuple(map(str, cell)), np.packbits(correct).tobytes().hex()
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow([*named, bits])
        with naming(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(text.getvalue())
        self.bits[named] = bits

    def of(self, cells: list[Cell], n_test: int) -> dict[Cell, np.ndarray]:
        """(N,) bool for each of the cells that has a row; cells measured by earlier versions have none."""
        found = {cell: self.bits[key] for cell in cells if (key := tuple(map(str, cell))) in self.bits}
        packed = {cell: np.frombuffer(bytes.fromhex(bits), dtype=np.uint8) for cell, bits in found.items()}
        if any(len(bits) != -(-n_test // 8) for bits in packed.values()):
            raise damaged(self.path)
        return {cell: np.unpackbits(bits, count=n_test).astype(bool) for cell, bits in packed.items()}


def accuracy_by_leak(correct: Mapping[Cell, np.ndarray], leaked: np.ndarray) -> pd.DataFrame:
    """Per method and shot, mean accuracy over draws on all test sequences, without the `leaked` and on them alone.

    `gained` is what they add, accuracy on all minus that without them; `half_width`: its 95 % t interval over draws.
    """
    return _summed(_by_cell(correct, leaked), ["method", "shot"])


def accuracy_by_leak_over_seeds(correct: Mapping[Cell, np.ndarray], leaked: np.ndarray) -> pd.DataFrame:
    """The same, one row per strategy (`-` for floors), method and shot; any interval is over pretraining seeds."""
    names = ["strategy", "method", "shot"]
    by_seed = _by_cell(correct, leaked).groupby([*names, "pretraining_seed"], sort=False).mean().reset_index()
    table = _summed(by_seed, names)
    seeds = by_seed.groupby(names, sort=False)["pretraining_seed"].size().to_numpy()
    return table.assign(half_width=table["half_width"].where(seeds >= MIN_SEEDS))


def _by_cell(correct: Mapping[Cell, np.ndarray], leaked: np.ndarray) -> pd.DataFrame:
    """One row per measurement."""
    rows = [
        (
            *(cell.strategy if cell.method in PRETRAINED else "-", cell.pretraining_seed, cell.method, cell.shot),
            *(bits[chosen].mean() if chosen.any() else np.nan for chosen in _parts(leaked)),
        )
        for cell, bits in correct.items()
    ]
    table = pd.DataFrame(rows, columns=["strategy", "pretraining_seed", "method", "shot", "all", "without", "alone"])
    return table.assign(gained=table["all"] - table["without"])


def _summed(table: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Means over the rows of each group."""
    means = table.groupby(names, sort=False)
    widths = means["gained"].apply(lambda values: mean_interval(values).half_width)
    return means[["all", "without", "alone", "gained"]].mean().assign(half_width=widths).reset_index()


def _parts(leaked: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.ones_like(leaked), ~leaked, leaked
