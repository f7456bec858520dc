"""The few-shot protocol: what is measured, and which examples each draw trains on.

In: a pool's labels, the task's name, a shot and a draw. Out: the rows to train on, the same for every model and method.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from genomask.data.tasks import LabelledTask
from genomask.errors import DataError, SettingsError, quoted
from genomask.hashing import hash64
from genomask.settings.ranges import MANY, require, require_one_of, require_whole

METHODS = ("finetune", "probe", "kmer-logreg", "random-init")
"""What may be asked for; random-init stands for the untrained twin of each of finetune and probe that is asked."""

PRETRAINED_METHODS = ("finetune", "probe")
"""The methods whose score belongs to a masking strategy; all others are floors that need no pretraining."""

POOLINGS = ("mean", "center", "cls")

MOST_DRAWS = 10_000

Scorer = Callable[[np.ndarray, int, int], np.ndarray]
"""A method ready to be measured: (rows of the pool, shot, draw) -> probabilities (test sequences, classes)."""

SHOT_STREAM, DRAW_STREAM, ROW_STREAM = 101, 102, 103


@dataclass(frozen=True, kw_only=True)
class FewShotSettings:
    """What `genomask fewshot` measures and how."""

    shots: tuple[int, ...] = (10, 50, 100)
    """Training examples of each class."""
    draws: int = 20
    """Training sets drawn for each shot; one where the shot takes a whole class of the pool."""
    methods: tuple[str, ...] = METHODS
    """Any of finetune, probe, kmer-logreg, random-init."""
    pool: str = "mean"
    """How the probe makes one vector of a sequence: mean, center or cls."""
    learning_rate: float | str = "auto"
    """Peak rate of fine-tuning; auto: by shot as published for hidden_size >= 512, else one constant (see finetune)."""
    epochs: int | str = "auto"
    """Passes over the drawn examples; auto: 20 up to 100 shots, 5 above."""
    batch_size: int | str = "auto"
    """Sequences a step of fine-tuning; auto: 5 up to 100 shots, 15 above, and 16 for hidden_size < 512."""
    tokens_per_batch: int = 4096
    """Tokens scored or embedded at once; bounds memory, changes no result."""

    def __post_init__(self) -> None:
        if not self.shots or min(self.shots) < 1 or len(set(self.shots)) < len(self.shots):
            raise SettingsError(f"shots must be different whole numbers of at least 1, got {self.shots}.")
        require_whole("shots", max(self.shots), 1)
        require_whole("draws", self.draws, 1, MOST_DRAWS)
        require_whole("tokens_per_batch", self.tokens_per_batch, 1)
        unknown = [method for method in self.methods if method not in METHODS]
        if unknown or not self.methods:
            raise SettingsError(f"methods must be some of {', '.join(METHODS)}; got {', '.join(unknown) or 'none'}.")
        if "random-init" in self.methods and not set(PRETRAINED_METHODS) & set(self.methods):
            raise SettingsError("method random-init is the untrained twin of finetune and probe: ask for one of them.")
        require_one_of("pool", self.pool, POOLINGS)
        for name in ("learning_rate", "epochs", "batch_size"):
            value = getattr(self, name)
            fits = value == "auto" if isinstance(value, str) else 0 < value <= MANY
            require(fits, name, f"'auto', or above 0 and at most {MANY:,}", value)

    def measured_methods(self) -> list[str]:
        """The values of the `method` column these settings ask for, cheapest first."""
        twins = [f"random-init/{method}" for method in PRETRAINED_METHODS if "random-init" in self.methods]
        asked = [*self.methods, *(twin for twin in twins if twin.split("/")[1] in self.methods)]
        order = ("kmer-logreg", "probe", "random-init/probe", "finetune", "random-init/finetune")
        return [method for method in order if method in asked]


def draw_key(task_name: str, shot: int, draw: int) -> np.ndarray:
    """(1,) int64 key of one draw: the only source of chance in choosing its examples."""
    digest = hashlib.blake2b(task_name.encode(), digest_size=8).digest()
    key = np.frombuffer(digest, dtype="<i8").astype(np.int64)
    key = hash64(key, SHOT_STREAM, np.full(1, shot, dtype=np.int64))
    return hash64(key, DRAW_STREAM, np.full(1, draw, dtype=np.int64))


def draw_examples(labels: np.ndarray, shot: int, task_name: str, draw: int) -> np.ndarray:
    """(classes * shot,) rows of the pool: `shot` of each class, none twice, keyed by (task, shot, draw) alone."""
    key = draw_key(task_name, shot, draw)
    order = np.argsort(hash64(key, ROW_STREAM, np.arange(len(labels), dtype=np.int64)), kind="stable")
    return np.concatenate([order[labels[order] == label][:shot] for label in np.unique(labels)])


def number_of_draws(smallest_class: int, shot: int, draws: int) -> int:
    """One draw where the shot takes a whole class: another would choose nothing anew there."""
    return 1 if shot == smallest_class else draws


def draws_overlap(smallest_class: int, shot: int, draws: int) -> bool:
    """True where the draws must share examples, so that their spread understates the truth."""
    return number_of_draws(smallest_class, shot, draws) * shot > smallest_class


def smallest_class(pool: LabelledTask) -> int:
    """Examples of the pool's rarest class."""
    return int(np.bincount(pool.labels, minlength=len(pool.classes)).min())


def check_pool(pool: LabelledTask, shots: tuple[int, ...]) -> None:
    """Raises DataError, with the counts, where a class has fewer examples than the largest shot."""
    counts = np.bincount(pool.labels, minlength=len(pool.classes))
    rarest, shot = int(counts.argmin()), max(shots)
    if counts[rarest] < shot:
        times = "once" if counts[rarest] == 1 else f"{counts[rarest]} times"
        found = ", ".join(f"{name} ({count})" for name, count in zip(pool.classes, counts, strict=True))
        raise DataError(
            f"{pool.path}: label {quoted(pool.classes[rarest])} appears {times}; {shot}-shot needs {shot} of each. "
            f"Labels found: {found}. Add examples or ask for smaller shots."
        )


def align_classes(pool: LabelledTask, test: LabelledTask) -> np.ndarray:
    """The test's labels numbered as the pool's classes are.

    Raises DataError for a class that the pool does not have.
    """
    missing = [name for name in test.classes if name not in pool.classes]
    if missing:
        raise DataError(
            f"{test.path}: label {quoted(missing[0])} is not in the training file {pool.path}, "
            f"whose labels are {', '.join(pool.classes)}. Give both files the same labels."
        )
    labels: np.ndarray = np.array([pool.classes.index(name) for name in test.classes], dtype=np.int64)[test.labels]
    return labels
