"""Suites of benchmarks as they are downloaded: a folder in, its tasks out, each with its published split and metric.

A folder is recognised by its layout, a row of LAYOUTS. To add a suite, write a function that finds its files, one that
reads them if none here does, and a row.
"""

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from genomask.data.bases import letters_of, reverse_complement
from genomask.data.fasta import read_fasta
from genomask.data.genome import Genome
from genomask.data.intervals import is_position
from genomask.data.table import table_rows
from genomask.data.tasks import LabelledTask, read_task, task_of
from genomask.data.vcf import same_record
from genomask.errors import DataError, counted, shown

DEEPEST = 3
"""Levels from a suite's folder down to a task's."""
FASTA_ENDINGS = (".fna", ".fa", ".fasta")
log = logging.getLogger(__name__)


class Split(NamedTuple):
    """The training and test data: a file each, or a folder of files."""

    name: str
    """Its name if a folder has several; else ""."""
    train: Path
    test: Path
    dev: Path | None = None
    """The data by which an epoch is chosen, if the suite has it."""


class Regions:
    """The genome that coordinates refer to, opened on first use."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = list(files)

    def bases(self, record: str, start: int, stop: int, *, reverse: bool) -> str:
        """The letters of [start, stop), counted from 0; "" if the genome lacks some of it, or has only N.

        Raises DataError if no genome was given.
        """
        name = same_record(record, self._records)
        offset, end = self._records.get(name or "", (0, 0))
        letters = letters_of(self._genome.codes[offset + start : offset + stop])
        if not 0 <= start < stop <= end - offset or set(letters) == {"N"}:
            return ""
        return reverse_complement(letters) if reverse else letters

    @cached_property
    def _genome(self) -> Genome:
        if not self._files:
            raise DataError("this suite gives coordinates, not sequences: name their genome with --genome.")
        return Genome.open(self._files)

    @cached_property
    def _records(self) -> dict[str, tuple[int, int]]:
        ends = zip(self._genome.offsets[:-1].tolist(), self._genome.offsets[1:].tolist(), strict=True)
        return dict(zip(self._genome.names, ends, strict=True))


@dataclass(frozen=True)
class Layout:
    """How one suite lies on disk, and how it is scored."""

    suite: str
    files: str
    """In words: what a task's folder holds."""
    metric: str
    """The metric that the suite's authors report, one of few-shot's."""
    protocol: str
    """What is done here, in a sentence."""
    splits: Callable[[Path], list[Split]]
    """The splits of a folder; none if it has another layout."""
    read: Callable[[Path, Regions], LabelledTask]
    """The labelled sequences of one side of a split."""
    metrics: Mapping[str, str] = field(default_factory=dict)
    """Word -> metric, for tasks whose name holds the word and for which another metric is published."""


class SuiteTask(NamedTuple):
    """One split, read on demand."""

    name: str
    layout: Layout
    split: Split

    @property
    def metric(self) -> str:
        """The published metric."""
        return next((x for word, x in self.layout.metrics.items() if word in self.name.lower()), self.layout.metric)

    def read(self, genome: Regions) -> tuple[LabelledTask, LabelledTask, LabelledTask | None]:
        """Train, test, and dev if there is one, all under this task's name. Raises DataError for bad files."""
        _, *both, dev = self.split
        train, test = (replace(self.layout.read(path, genome), name=self.name) for path in both)
        return train, test, replace(self.layout.read(dev, genome), name=self.name) if dev else None


def suite_tasks(suite: Path) -> list[SuiteTask]:
    """The tasks in a folder, which is one itself or has tasks below, in the order of their names.

    Raises DataError, with the known layouts, if there is none.
    """
    tasks = []
    for folder in _folders(suite, DEEPEST):
        layout, splits = next(((x, found) for x in LAYOUTS if (found := x.splits(folder))), (None, []))
        name = folder.resolve().name if folder == suite else folder.relative_to(suite).as_posix()
        tasks += [SuiteTask(f"{name}/{x.name}" if x.name else name, layout, x) for x in splits if layout]
    if not tasks:
        known = "; ".join(f"{x.suite}: {x.files}" for x in LAYOUTS)
        raise DataError(f"{suite}: no task in this folder or below it. Known layouts are {known}.")
    return tasks


def _folders(folder: Path, depth: int) -> Iterator[Path]:
    """A folder and those below it, but none below one that holds a task."""
    yield folder
    if depth and not any(layout.splits(folder) for layout in LAYOUTS):
        for below in sorted(Path(entry.path) for entry in os.scandir(folder) if entry.is_dir()):
            yield from _folders(below, depth - 1)


def _file(folder: Path, stem: str, *endings: str) -> Path | None:
    """The file of this name, plain or gzip."""
    names = (folder / f"{stem}{ending}{packed}" for ending in endings for packed in ("", ".gz"))
    return next((path for path in names if path.is_file()), None)


def _two_files(folder: Path, *endings: str) -> list[Split]:
    train, test, dev = (_file(folder, stem, *endings) for stem in ("train", "test", "dev"))
    return [Split("", train, test, dev)] if train and test else []


def _shot_files(folder: Path) -> list[Split]:
    """<N>.tsv, or <N>/train*.tsv, beside test.tsv."""
    test = _file(folder, "test", ".tsv")
    if not test:
        return []
    found = {path.name.split(".")[0]: path for ending in (".tsv", ".tsv.gz") for path in folder.glob(f"*{ending}")}
    found |= {path.parent.name: path for path in sorted(folder.glob("*/train*.tsv*"), reverse=True)}
    return [Split(name, found[name], test) for name in sorted(filter(str.isdecimal, found), key=int)]


def _class_folders(folder: Path) -> list[Split]:
    """train/ and test/, each with a file per class."""
    sides = folder / "train", folder / "test"
    return [Split("", *sides)] if all(len(class_files(side)) > 1 for side in sides) else []


def class_files(folder: Path) -> dict[str, Path]:
    """Class -> its file of coordinates."""
    return {path.name.split(".csv")[0]: path for path in sorted(folder.glob("*.csv*")) if path.is_file()}


def _read_table(path: Path, _: Regions) -> LabelledTask:
    return read_task(path)


def _read_fasta(path: Path, _: Regions) -> LabelledTask:
    """`>name|label`."""
    sequences, labels = [], []
    for record, pieces in groupby(read_fasta(path, "n"), key=lambda piece: piece.record):
        _, bar, label = record.rpartition("|")
        if not bar or not label.strip():
            raise DataError(f"{path}: record {shown(record)} has no label; headers of this layout are >name|label.")
        sequences.append("".join(letters_of(piece.codes) for piece in pieces))
        labels.append(label.strip())
    return task_of(path, sequences, labels)


def _read_coordinates(folder: Path, genome: Regions) -> LabelledTask:
    sequences, labels = [], []
    for label, path in class_files(folder).items():
        found = [genome.bases(*interval[:3], reverse=interval[3]) for interval in _intervals(path)]
        here = list(filter(None, found))
        if not here:
            raise DataError(
                f"{path}: none of its {len(found):,} intervals lies in the genome given; give the right one."
            )
        if len(here) < len(found):
            log.warning(
                "%s: left out, as they are not in the genome given: %s of %s",
                path, f"{len(found) - len(here):,}", counted(len(found), "interval"),
            )  # fmt: skip
        sequences += here
        labels += [label] * len(here)
    return task_of(folder, sequences, labels)


def _intervals(path: Path) -> Iterator[tuple[str, int, int, bool]]:
    """Record, start, stop, and whether it is the reverse strand."""
    columns: Mapping[str, str] = {name: name for name in ("region", "start", "end", "strand")}
    for row, (record, start, stop, strand) in table_rows(path, columns):
        if not all(map(is_position, (start, stop))):
            raise DataError(
                f"{path}, row {row}: {shown(start)} to {shown(stop)} are not positions; give whole numbers."
            )
        yield record, int(start), int(stop), strand == "-"


LAYOUTS = (
    Layout(
        "GUE",
        "train.csv and test.csv with columns sequence and label",
        "mcc",
        "trained on train; fine-tuning keeps the epoch with the lowest loss on dev, if there is a dev",
        lambda folder: _two_files(folder, ".csv"),
        _read_table,
        {"covid": "f1_macro"},
    ),
    Layout(
        "Genomic Benchmarks",
        "train/ and test/ with a CSV of coordinates for each class",
        "accuracy",
        "trained on train, scored on test; no part of train is held out",
        _class_folders,
        _read_coordinates,
    ),
    Layout(
        "GeneMask",
        "10.tsv, 50.tsv ... and test.tsv",
        "accuracy",
        "trained on each file of shots as it is, scored on test",
        _shot_files,
        _read_table,
    ),
    Layout(
        "Nucleotide Transformer",
        "train.fna and test.fna with headers >name|label",
        "mcc",
        "trained on train, scored on test; no part of train is held out",
        lambda folder: _two_files(folder, *FASTA_ENDINGS),
        _read_fasta,
    ),
)
"""The first that fits a folder is taken."""
