"""The rows of metrics.jsonl as they come, also in TensorBoard or Weights & Biases (the extra `track`).

A tracker is opened before the first step, so that what it lacks shows early; a resumed run says which rows repeat.
"""

import os
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from genomask.errors import DataError, SettingsError, UserError
from genomask.files.cache import key_of
from genomask.training.records import read_record

Row = dict[str, Any]


class Tracker(Protocol):
    """Where rows go."""

    def log(self, row: Row) -> None:
        """One row, with its step."""
        ...

    def close(self, *, failed: bool) -> None:
        """No more rows come."""
        ...


class TensorBoard:
    """Events in OUT/tensorboard; in a resumed run those after its checkpoint are sent again, and replaced."""

    def __init__(self, out: Path, first_step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(out / "tensorboard"), purge_step=first_step)

    def log(self, row: Row) -> None:
        """A curve for each number."""
        for name, value in row.items():
            if name != "step":
                self._writer.add_scalar(name, value, row["step"])

    def close(self, *, failed: bool) -> None:
        """Write what is left."""
        self._writer.close()


class Wandb:
    """A run in the project `genomask`, or WANDB_PROJECT, named after its folder; WANDB_MODE=offline keeps it local.

    A resumed run goes on in the same one; rows that it already had are not taken twice.
    """

    def __init__(self, out: Path, first_step: int) -> None:
        import wandb

        environment = out / "environment.json"
        began = read_record(environment).get("date")
        if not isinstance(began, str):  # another id would be another run on the board
            raise DataError(f"{environment}: the run's start date is missing; restore it from a backup.")
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "genomask"),
            name=out.name,
            id=key_of(str(out.absolute()), began),
            resume="allow",
            dir=out,
            config=tomllib.loads((out / "config.toml").read_text(encoding="utf-8")),
        )

    def log(self, row: Row) -> None:
        """The numbers by name."""
        self._run.log({name: value for name, value in row.items() if name != "step"}, step=row["step"])

    def close(self, *, failed: bool) -> None:
        """Send what is left."""
        self._run.finish(exit_code=int(failed))


TRACKERS: dict[str, Callable[[Path, int], Tracker]] = {"tensorboard": TensorBoard, "wandb": Wandb}
"""By the name of the option and of the package."""


def require_tracker(name: str) -> None:
    """Raises SettingsError for an unknown tracker, and for one whose package is not installed."""
    if name and name not in TRACKERS:
        raise SettingsError(f"--track takes {' or '.join(TRACKERS)}, got {name!r}.")
    if name and find_spec(name) is None:
        raise SettingsError(f"--track {name} needs the package {name}; install it: pip install 'genomask[track]'")


class Tracking:
    """The tracker of the run in `out`, which gets each row once it has begun; without a name there is none."""

    def __init__(self, name: str, out: Path) -> None:
        self._name, self._out = name, out
        self._tracker: Tracker | None = None

    def begin(self, first_step: int) -> None:
        """Open it before the first step, for rows from `first_step` on. Raises UserError if it cannot be opened."""
        if not self._name:
            return
        try:
            self._tracker = TRACKERS[self._name](self._out, first_step)
        except UserError:
            raise
        except Exception as error:  # of whatever kind the package raises, as for a missing login
            what = " ".join(f"{type(error).__name__}: {error}".split())
            raise SettingsError(f"--track {self._name} cannot start ({what}); fix that, or leave it out.") from error

    def tell(self, row: Row) -> None:
        """Give it a row."""
        if self._tracker:
            self._tracker.log(row)

    def close(self, *, failed: bool) -> None:
        """No more rows come."""
        if self._tracker:
            self._tracker.close(failed=failed)


@contextmanager
def tracking(name: str, out: Path) -> Iterator[Tracking]:
    """The tracker of that name, closed at the end, even if the run fails."""
    tracker, failed = Tracking(name, out), True
    try:
        yield tracker
        failed = False
    finally:
        tracker.close(failed=failed)
