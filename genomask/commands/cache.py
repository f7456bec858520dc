"""`genomask cache`: list and remove what the cache holds. In: the cache's folder. Out: a table and sentences."""

import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from rich.table import Table

from genomask.errors import counted
from genomask.files.cache import cache_errors
from genomask.files.cache_entries import Entry, entries, remove
from genomask.report.tables import rich_table
from genomask.terminal.console import Line

DAY = 24 * 3600


def listed(root: Path) -> Iterator[Table | str]:
    """What to print of the cache at `root`."""
    with cache_errors(root):
        found = list(entries(root))
    if not found:
        yield Line(f"{root}: the cache is empty")
        return
    rows = [
        (
            entry.what,
            ", ".join(Path(source).name for source in entry.sources),
            sized(entry.size),
            aged(time.time() - entry.used),
            str(entry.path.relative_to(root)),
        )
        for entry in found
    ]
    yield rich_table(pd.DataFrame(rows, columns=["what", "made of", "size", "last used", "path"]))
    yield Line(f"{root}: {sized(sum(entry.size for entry in found))} in {counted(len(found), 'entry', 'entries')}")


def older_than(root: Path, days: float) -> list[Entry]:
    """The entries last used at least `days` days ago."""
    with cache_errors(root):
        return [entry for entry in entries(root) if time.time() - entry.used >= days * DAY]


def clear(root: Path, chosen: list[Entry]) -> Iterator[str]:
    """Remove the chosen entries; yields how much was freed, and what was left because a process uses it."""
    freed, n_freed = 0, 0
    with cache_errors(root):
        n_all = sum(1 for _ in entries(root))
        for entry in chosen:
            size = entry.size
            if remove(entry):
                freed, n_freed = freed + size, n_freed + 1
            else:
                yield Line(f"{entry.path}: in use, not removed")
    yield Line(f"{root}: {sized(freed)} freed, {n_freed:,} of {counted(n_all, 'entry', 'entries')} removed")


def sized(n_bytes: int) -> str:
    """As 12.3 MB; each unit is a thousand of the one before."""
    size, units = float(n_bytes), iter(("B", "kB", "MB", "GB"))
    unit = next(units)
    while size >= 1000 and unit != "GB":
        size, unit = size / 1000, next(units)
    return f"{size:,.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"


def aged(seconds: float) -> str:
    """As 3 days ago."""
    for name, length in (("day", DAY), ("hour", 3600), ("minute", 60)):
        if (n := int(seconds // length)) >= 1:
            return f"{n:,} {name}{'' if n == 1 else 's'} ago"
    return "just now"
