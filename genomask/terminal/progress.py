"""Progress of long work: a bar where stderr is a terminal, elsewhere a line every so often, so no log file is silent.

A single piece of work is `with working("reading", total) as work`; pieces side by side are added to one `Bars`.
Bars and lines are silent where genomask's log is.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Self

from rich.progress import BarColumn, Progress, ProgressColumn, Task, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

from genomask.errors import counted
from genomask.terminal.console import progress_bar, text_column

LINE_SECONDS = 30.0
"""Between two lines of a piece of work, where there is no terminal."""
WATCH_SECONDS = 3.0
"""How often to check whether a line is due while a part of the work takes long."""

log = logging.getLogger(__name__)


class Bars:
    """Pieces of work side by side, shown inside its `with`; transient ones leave nothing on the terminal."""

    def __init__(self, *, transient: bool = False) -> None:
        whole = Column(no_wrap=True)  # the bar and the status make room where the terminal is narrow
        self._shown = progress_bar(
            text_column("{task.description}"),
            BarColumn(),
            _CountColumn(whole.copy()),
            text_column("{task.fields[status]}", Column()),
            TimeElapsedColumn(whole.copy()),
            text_column("left"),
            TimeRemainingColumn(table_column=whole.copy()),
            transient=transient,
        )

    def __enter__(self) -> Self:
        self._shown.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._shown.stop()

    def add(self, what: str, total: int | None, unit: str, status: str = "", *, done: int = 0) -> "Work":
        """Add a piece of work of `total` units, None if unknown; its clock starts with its first `show`."""
        self._shown.add_task(what, start=False, total=total, completed=done, status=status, unit=unit, details="")
        return Work(self._shown, self._shown.tasks[-1])


class Work:
    """One piece of work, with its bar."""

    def __init__(self, shown: Progress, task: Task) -> None:
        self._shown, self._task = shown, task
        self._saying = threading.Lock()
        self._said_at = self._shown.get_time()

    def show(
        self,
        done: float | None = None,
        *,
        status: str | None = None,
        details: str | None = None,
        total: int | None = None,
    ) -> None:
        """Show how far it is, with `status` beside the bar and `details` under it."""
        if self._task.start_time is None:
            self._shown.start_task(self._task.id)
            self._said_at = self._shown.get_time()
        fields = self._task.fields
        status = fields["status"] if status is None else status
        details = fields["details"] if details is None else details
        self._shown.update(self._task.id, completed=done, total=total, status=status, details=details)
        self.say_if_due()

    def say_if_due(self) -> None:
        """Log a line where there is no terminal, if the last one was long ago."""
        if not self._shown.disable:
            return
        with self._saying:
            if self._shown.get_time() >= self._said_at + LINE_SECONDS:
                log.info("%s", _line(self._task))
                self._said_at = self._shown.get_time()

    def advance(self, more: int) -> None:
        """Count `more` units as done."""
        self.show(self._task.completed + more)

    def end(self, status: str) -> None:
        """Count all of it as done."""
        if self._task.stop_time is None:
            self._shown.update(self._task.id, completed=self._task.total, status=status)
            self._shown.stop_task(self._task.id)
            if self._shown.disable:
                log.info("%s", _line(self._task))


@contextmanager
def working(what: str, total: int | None = None, unit: str = "") -> Iterator[Work]:
    """Show one piece of work as long as it lasts, even while one part takes long."""
    with Bars(transient=True) as bars:
        work = bars.add(what, total, unit)
        work.show()
        ended = threading.Event()
        watch = threading.Thread(target=_watch, args=(work, ended), name="progress", daemon=True)
        watch.start()
        try:
            yield work
        finally:
            ended.set()
            watch.join()


def _watch(work: Work, ended: threading.Event) -> None:
    """Log lines that are due within one part, which may take minutes, for instance with long sequences."""
    while not ended.wait(WATCH_SECONDS):
        work.say_if_due()


class _CountColumn(ProgressColumn):
    """How many are done, and of how many."""

    def render(self, task: Task) -> Text:
        """For rich."""
        return Text(_count(task))


def _count(task: Task) -> str:
    before = "" if task.total is None else f"{task.completed:,.0f}/"
    n, unit = round(task.completed if task.total is None else task.total), task.fields["unit"]
    return before + (counted(n, unit) if unit else f"{n:,}")


def _line(task: Task) -> str:
    """Such as 'training: 400/4,000 steps, loss 2.9 nats, 0:01:40 so far, 0:15:00 left'."""
    times = [f"{_clock(task.elapsed)} so far"] if task.elapsed is not None else []
    times += [f"{_clock(task.time_remaining)} left"] if task.time_remaining else []
    parts = (_count(task), task.fields["status"], task.fields["details"], *times)
    return f"{task.description}: " + ", ".join(part for part in parts if part)


def _clock(seconds: float) -> timedelta:
    return timedelta(seconds=round(seconds))
