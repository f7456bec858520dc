"""The eight tasks of GLUE (Wang et al., 2018): their files, or their data set on the hub, in; examples out.

Files are TSV as first published, without quoting: FOLDER/CoLA/train.tsv, or FOLDER/CoLA.train.tsv, plain or gzip.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genomask.data.examples import NUMBER, ONE, Examples
from genomask.data.lines import numbered_lines
from genomask.data.reading import PAIR
from genomask.errors import DataError, SettingsError, quoted

HUB_NAME = "nyu-mll/glue"
TRAIN, DEV = "train", "dev"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class GlueTask:
    """A task's columns and classes, its metrics, and the schedule published for MosaicBERT."""

    name: str
    texts: tuple[str, ...]
    """Headers of the text, or of both texts, in the files."""
    label: str
    classes: tuple[str, ...]
    """In the hub's order; files have their names or numbers. Empty: the label is a number."""
    metrics: tuple[str, ...]
    learning_rate: float
    epochs: int
    batch_size: int
    hub_texts: tuple[str, ...] = ()
    """The same on the hub, if they differ."""
    header: tuple[str, ...] = ()
    """The header of files that have none."""
    dev: tuple[str, ...] = (DEV,)
    """The splits that it is scored on."""
    from_mnli: bool = False
    """Starts from the weights at the end of MNLI's training, if there are any."""

    @property
    def hub_config(self) -> str:
        """Its name on the hub."""
        return self.name.lower().replace("-", "")


_SAME = ("sentence1", "sentence2")
_ENTAILMENT = ("entailment", "not_entailment")
TASKS = {
    task.name: task
    for task in (
        GlueTask(
            "MNLI", _SAME, "gold_label", ("entailment", "neutral", "contradiction"), ("accuracy",), 5e-5, 3, 48,
            hub_texts=("premise", "hypothesis"), dev=("dev_matched", "dev_mismatched"),
        ),
        GlueTask(
            "QQP", ("question1", "question2"), "is_duplicate", ("not_duplicate", "duplicate"), ("accuracy", "f1"),
            3e-5, 5, 16,
        ),
        GlueTask("QNLI", ("question", "sentence"), "label", _ENTAILMENT, ("accuracy",), 1e-5, 10, 16),
        GlueTask("SST-2", ("sentence",), "label", ("negative", "positive"), ("accuracy",), 3e-5, 3, 16),
        GlueTask(
            "CoLA", ("sentence",), "label", ("unacceptable", "acceptable"), ("mcc",), 5e-5, 10, 32,
            header=("source", "label", "star", "sentence"),
        ),
        GlueTask("STS-B", _SAME, "score", (), ("pearson", "spearman"), 3e-5, 10, 32, from_mnli=True),
        GlueTask(
            "MRPC", ("#1 String", "#2 String"), "Quality", ("not_equivalent", "equivalent"), ("accuracy", "f1"),
            8e-5, 10, 32, hub_texts=_SAME, from_mnli=True,
        ),
        GlueTask("RTE", _SAME, "label", _ENTAILMENT, ("accuracy",), 1e-5, 3, 16, from_mnli=True),
    )
}  # fmt: skip
"""By name, in the order in which they run: the one that others start from comes first."""

Row = tuple[Sequence[str], object]
"""The texts of an example, and its label."""


def is_there(folder: Path, task: GlueTask) -> bool:
    """Does the folder have all files of a task?"""
    return all(_file(folder, task, split) for split in (TRAIN, *task.dev))


def read_split(task: GlueTask, split: str, folder: Path | None) -> Examples:
    """The examples of a split, from a folder or (None) from the hub. Raises DataError if they cannot be read."""
    if folder is None:
        return _examples(task, Path(f"{HUB_NAME}/{task.hub_config}/{split}"), _hub_rows(task, split))
    path = _file(folder, task, split)
    if path is None:
        raise DataError(
            f"{folder}: no {split} of {task.name} here ({task.name}/{split}.tsv, or {task.name}.{split}.tsv, plain or "
            "with .gz). Give another --data or --tasks."
        )
    return _examples(task, path, _file_rows(task, path))


def _examples(task: GlueTask, path: Path, rows: Iterable[Row]) -> Examples:
    texts, labels = [], []
    for number, (cells, label) in enumerate(rows, 1):
        where = f"{path}, example {number}"
        texts.append(_joined(cells, where))
        labels.append(_target(task, label, where))
    if not texts:
        raise DataError(f"{path}: it contains no examples. Give {task.name} as it was published.")
    if task.classes:
        return Examples(path, texts, ONE, list(task.classes), np.array(labels, dtype=np.int64))
    return Examples(path, texts, NUMBER, [task.label], np.array(labels, dtype=np.float64)[:, None])


def _joined(cells: Sequence[str], where: str) -> str:
    """The texts of a row; one of a pair may be empty, as is the second question in two rows of QQP."""
    if not any(cell.strip() for cell in cells):
        raise DataError(f"{where}: it has no text. Give the files as they were published.")
    return PAIR.join(" ".join(cell.split()) for cell in cells)


def _target(task: GlueTask, label: object, where: str) -> float:
    """The number of the class or, without classes, the label as a number."""
    named: Mapping[object, int] = {name: at for at, name in enumerate(task.classes)}
    numbers = range(len(task.classes))
    if label in named:
        return named[label]
    try:
        number = float(str(label))
    except ValueError:
        number = float("nan")
    if number in numbers if task.classes else 0 <= number <= 5:
        return number
    known = f"one of {', '.join(task.classes)}, or its number" if task.classes else "a number from 0 to 5"
    raise DataError(f"{where}: the label {quoted(str(label))} of {task.name} is not {known}. Give it as published.")


def _file(folder: Path, task: GlueTask, split: str) -> Path | None:
    names = (f"{task.name}{between}{split}.tsv{packed}" for between in "/." for packed in ("", ".gz"))
    return next((path for name in names if (path := folder / name).is_file()), None)


def _file_rows(task: GlueTask, path: Path) -> Iterator[Row]:
    """Rows with another number of columns are left out, as in the published readers, and counted."""
    lines = numbered_lines(path)
    header = list(task.header) or next(lines)[1].split("\t")
    if missing := [name for name in (*task.texts, task.label) if name not in header]:
        raise DataError(f"{path}, line 1: no column {missing[0]!r}. Give {task.name} as it was published.")
    places = [header.index(name) for name in task.texts]
    label, n_odd, first = header.index(task.label), 0, 0
    for number, line in lines:
        cells = line.split("\t")
        if len(cells) != len(header):
            n_odd, first = n_odd + 1, first or number
            continue
        yield [cells[at] for at in places], cells[label].strip()
    if n_odd:
        log.warning("%s: rows with a wrong number of columns, left out: %d, the first on line %d", path, n_odd, first)


def _hub_rows(task: GlueTask, split: str) -> Iterator[Row]:
    from datasets import load_dataset
    from huggingface_hub.utils import httpx

    try:
        rows = load_dataset(HUB_NAME, task.hub_config, split=split.replace(DEV, "validation"))
    except (OSError, ValueError, httpx.HTTPError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise DataError(
            f"{HUB_NAME}, {task.hub_config}: cannot be downloaded from the hub ({reason}). Check the connection, "
            "or give a folder of GLUE's files with --data."
        ) from error
    for row in rows:
        yield [row[name] for name in task.hub_texts or task.texts], row["label"]


def chosen(names: Sequence[str], folder: Path | None) -> list[GlueTask]:
    """The tasks named, in the order of TASKS; if none is named, all, or all that the folder has.

    Raises SettingsError for an unknown one, DataError if the folder has none.
    """
    known = {name.lower(): task for name, task in TASKS.items()}
    if unknown := [name for name in names if name.lower() not in known]:
        raise SettingsError(f"unknown task {quoted(unknown[0])}; use some of: {', '.join(TASKS)}.")
    if names:
        wanted = {known[name.lower()].name for name in names}
    else:
        wanted = {name for name, task in TASKS.items() if folder is None or is_there(folder, task)}
    if not wanted:
        raise DataError(f"{folder}: no task of GLUE has its train.tsv and dev.tsv here. Give another --data.")
    return [task for name, task in TASKS.items() if name in wanted]
