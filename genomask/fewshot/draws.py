"""Which examples each draw trains on, the same for every model and method.

In: a pool's labels, the task's name, a shot and a draw. Out: the rows to train on.
"""

import hashlib
from collections.abc import Callable

import numpy as np

from genomask.data.tasks import LabelledTask
from genomask.errors import DataError, quoted
from genomask.hashing import Purpose, hash64

Scorer = Callable[[np.ndarray, int, int], np.ndarray]
"""A method ready to be measured: (rows of the pool, shot, draw) -> probabilities (test sequences, classes)."""


def draw_key(task_name: str, shot: int, draw: int) -> np.ndarray:
    """(1,) int64 key of one draw: the only source of randomness in the choice of its examples."""
    digest = hashlib.blake2b(task_name.encode(), digest_size=8).digest()
    key = np.frombuffer(digest, dtype="<i8").astype(np.int64)
    key = hash64(key, Purpose.SHOT, np.full(1, shot, dtype=np.int64))
    return hash64(key, Purpose.DRAW, np.full(1, draw, dtype=np.int64))


def draw_examples(labels: np.ndarray, shot: int, task_name: str, draw: int) -> np.ndarray:
    """(classes * shot,) rows of the pool: `shot` of each class, none twice, keyed by (task, shot, draw) alone."""
    key = draw_key(task_name, shot, draw)
    order = np.argsort(hash64(key, Purpose.EXAMPLE, np.arange(len(labels), dtype=np.int64)), kind="stable")
    ordered = labels[order]
    return np.concatenate([order[ordered == label][:shot] for label in np.unique(labels)])


def number_of_draws(pool: LabelledTask, shot: int, draws: int) -> int:
    """`draws`, or 1 where the shot takes all of every class: every draw would be the same."""
    return 1 if shot == class_sizes(pool).max() else draws


def draws_overlap(smallest_class: int, shot: int, n_draws: int, *, whole: bool = False) -> bool:
    """True where that many draws must share examples, so that their spread is too small.

    Nothing is drawn from a `whole` pool: its seeds share one training set and differ only in how it is trained on.
    """
    return not whole and n_draws * shot > smallest_class


def class_sizes(pool: LabelledTask) -> np.ndarray:
    """(classes,) int64: the pool's examples of each class."""
    return np.bincount(pool.labels, minlength=len(pool.classes))


def smallest_class(pool: LabelledTask) -> int:
    """The number of examples of the pool's rarest class."""
    return int(class_sizes(pool).min())


def check_pool(pool: LabelledTask, shots: tuple[int, ...]) -> None:
    """Raises DataError, with the counts, where a class has fewer examples than the largest shot, or none."""
    counts = class_sizes(pool)
    rarest, shot = int(counts.argmin()), max(shots, default=1)
    if counts[rarest] < shot:
        times = "once" if counts[rarest] == 1 else f"{counts[rarest]} times"
        found = ", ".join(f"{name} ({count})" for name, count in zip(pool.classes, counts, strict=True))
        raise DataError(
            f"{pool.path}: label {quoted(pool.classes[rarest])} appears {times}; {shot}-shot needs {shot} of each. "
            f"Labels found: {found}. Add examples or ask for fewer shots."
        )


def align_classes(pool: LabelledTask, test: LabelledTask) -> np.ndarray:
    """The test's labels, numbered like the pool's classes.

    Raises DataError for a class that the pool lacks.
    """
    missing = [name for name in test.classes if name not in pool.classes]
    if missing:
        raise DataError(
            f"{test.path}: label {quoted(missing[0])} is not in the training file {pool.path}, "
            f"whose labels are {', '.join(pool.classes)}. Give both files the same labels."
        )
    labels: np.ndarray = np.array([pool.classes.index(name) for name in test.classes], dtype=np.int64)[test.labels]
    return labels
