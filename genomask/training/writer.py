"""Checkpoints written beside training: a step waits for a copy in memory, which a separate thread writes to disk."""

import logging
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

import torch
from torch import nn

from genomask.machine.threads import compute_alone
from genomask.training.checkpoint import Snapshot, snapshot, write_checkpoint
from genomask.training.checkpoint_state import CheckpointState

log = logging.getLogger(__name__)


class CheckpointWriter:
    """Writes one checkpoint at a time into a folder, while it is entered; leaving it waits for the last.

    Each method may raise the TrainingError that writing the one before raised.
    """

    def __init__(self, folder: Path, describe: Callable[[Path], None] = lambda _: None) -> None:
        """`describe`: as `write_checkpoint` takes it."""
        self.folder, self._describe = folder, describe
        self.waited = 0.0
        """Seconds that training waited for checkpoints."""
        self.count = 0
        self._thread = ThreadPoolExecutor(1, "checkpoint", initializer=compute_alone)
        self._writing: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._thread.shutdown()
        if kind is None:
            self.wait()
        if self.count:
            log.info("checkpoints written during training: %d, for which it waited %.1f s", self.count, self.waited)

    def save(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        progress: CheckpointState,
        spared: Collection[int],
        first: Callable[[], None],
    ) -> None:
        """Copy what `write_checkpoint` writes, and begin to write it once `first` has been called."""
        self.wait()
        began = time.perf_counter()
        copy = snapshot(model, optimizer, progress).copied()
        self.waited += time.perf_counter() - began
        self.count += 1
        self._writing = self._thread.submit(_write, first, self.folder, copy, spared, self._describe)

    def check(self) -> None:
        """Raise what went wrong, if anything; go on while it is being written."""
        if self._writing is not None and self._writing.done():
            self._writing.result()

    def wait(self) -> None:
        """Go on when what was begun is on disk."""
        if self._writing is not None:
            began = time.perf_counter()
            self._writing.result()
            self.waited += time.perf_counter() - began


def _write(
    first: Callable[[], None], folder: Path, copy: Snapshot, spared: Collection[int], describe: Callable[[Path], None]
) -> None:
    first()
    write_checkpoint(folder, copy, spared, describe)
