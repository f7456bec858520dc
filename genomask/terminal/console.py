"""Everything a person reads: results on standard output; errors, log lines and bars on standard error.

Text of users (paths, labels, names of records and motifs) is shown as it is: never read as markup or as control codes.
Whatever a terminal would not show is escaped here, as in repr.
"""

import io
import logging
import sys
import time
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import Progress, ProgressColumn, TextColumn
from rich.segment import Segment
from rich.table import Column
from rich.text import Text

ELSEWHERE = 120
"""Columns of a table that is written to a file or a pipe."""
LONGEST_ERROR = 1_000
"""Most letters of an error to show."""


def printable(text: str, keep: str = "") -> str:
    r"""The text with `\x1b` for an escape and the like, except for the letters in `keep`."""
    if text.isprintable():
        return text
    return "".join(x if x.isprintable() or x in keep else repr(x)[1:-1] for x in text)


class PlainConsole(Console):
    """A console that shows text as it is; styles come only from our own code."""

    def render_str(self, text: str, **style: Any) -> Text:
        """As in rich, but measuring the text that will be shown."""
        return super().render_str(printable(text, keep="\n"), **style)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """As in rich, with the text of each segment made printable."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable(segment.text, keep="\n"))


def _new_console(*, stderr: bool) -> Console:
    is_terminal = (sys.stderr if stderr else sys.stdout).isatty()
    width = None if is_terminal else ELSEWHERE
    return PlainConsole(stderr=stderr, width=width, markup=False, emoji=False)


def console(*, stderr: bool = False) -> Console:
    """A console on standard output, or on standard error where standard output carries data.

    Tables wrap at the terminal's width; elsewhere they get ELSEWHERE columns.
    """
    return _new_console(stderr=stderr)


def say(text: str, *, stderr: bool = False) -> None:
    """Print a line of the result (or of what became of it), not folded, so that a path in it can be copied."""
    print(printable(text, keep="\n"), file=sys.stderr if stderr else sys.stdout, flush=True)


class Line(str):
    """A line of a result that is not folded, so that a path in it can be copied."""


def show(parts: Iterable[RenderableType], *, stderr: bool = False) -> None:
    """Print the parts of a result as they come: a part is shown even if the next one fails."""
    for part in parts:
        if isinstance(part, Line):
            say(part, stderr=stderr)
        else:
            console(stderr=stderr).print(part)


def say_error(text: str) -> None:
    """Print an error as one line on standard error; one that repeats too much of the input is cut in the middle."""
    line = printable(text)
    if len(line) > LONGEST_ERROR:
        line = f"{line[: LONGEST_ERROR // 2]} ... {line[-LONGEST_ERROR // 2 :]}"  # what is wrong, and how to fix it
    print(f"error: {line}", file=sys.stderr)


class _BarsWithDetails(Progress):
    """Bars with their field `details` below them, across the terminal's whole width."""

    def get_renderables(self) -> Iterable[RenderableType]:
        """For rich."""
        yield from super().get_renderables()
        yield from (Text(details) for task in self.tasks if (details := task.fields.get("details")))


def progress_bar(*columns: ProgressColumn, transient: bool = False) -> Progress:
    """A bar on standard error; silent under --quiet and where standard error is not a terminal."""
    is_shown = sys.stderr.isatty() and logging.getLogger("genomask").isEnabledFor(logging.INFO)
    settings: dict[str, Any] = {"transient": transient, "get_time": time.monotonic, "disable": not is_shown}
    return _BarsWithDetails(*columns, console=_new_console(stderr=True), **settings)


def text_column(template: str, column: Column | None = None) -> TextColumn:
    """A column of a bar, such as '{task.description}', whose text is shown as it is, by default on one line."""
    return TextColumn(template, markup=False, table_column=column)


class TerminalLog(logging.Handler):
    """A line for each record, above a bar where there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record, not folded."""
        level = Text(f"{record.levelname:8} ", style=f"logging.level.{record.levelname.lower()}")
        _new_console(stderr=True).print(level + Text(printable(self.format(record), keep="\n")), soft_wrap=True)


def log_to_terminal(level: int) -> None:
    """Send genomask's log lines of `level` and above, and other packages' warnings, to standard error."""
    logging.basicConfig(format="%(message)s", handlers=[TerminalLog()])
    logging.getLogger().setLevel(max(level, logging.WARNING))
    logging.getLogger("genomask").setLevel(level)
    if level > logging.WARNING:
        warnings.simplefilter("ignore")


def escape_what_the_terminal_lacks() -> None:
    """Print letters that the terminal's encoding lacks by their number, instead of ending the command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
