"""What lies in the cache, and its removal: only what genomask wrote there, and nothing that a process uses.

In: the cache's folder. Out: an entry, with its size, for each thing that can be removed by itself.
"""

import json
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from genomask.files.atomic import ASIDE
from genomask.files.cache import SEAL, STALE_SECONDS
from genomask.files.locking import unheld

SEALED = {
    "genomes": "genome",
    "indexes": "index of a FASTA file",
    "text": "tokenised text",
    "vocabularies": "vocabulary",
}
"""Rooms of sealed folders, and what one of them is."""
ALONE = {
    "rates": "mask rate",
    "speeds": "measured speed",
    "stdin": "genome from stdin",
}
"""Rooms of files, each named by a digest."""
LOOPS = "loops"
"""The room of compiled loops, laid out by numba."""
DIGEST = re.compile(r"[0-9a-f]{24,32}\.(json|genome)")
KEY = re.compile(r"(.+-)?[0-9a-f]{24}")


@dataclass(frozen=True)
class Entry:
    """One thing in the cache."""

    what: str
    path: Path
    parts: tuple[Path, ...]
    """The files that it is made of: no others are removed."""
    sources: tuple[str, ...]
    """The files that it was made from, where that was noted."""
    used: float
    """When it was last used, in seconds since 1970."""

    @property
    def size(self) -> int:
        """Bytes of its files."""
        return sum(path.lstat().st_size for path in self.parts)


def entries(root: Path) -> Iterator[Entry]:
    """What genomask wrote in the cache at `root`, room by room. Anything else there is skipped."""
    for room, what in SEALED.items():
        for path in _inside(root / room):
            if path.is_dir() and (found := _sealed(path, what) or _left_behind(path)):
                yield found
    for room, what in ALONE.items():
        for path in _inside(root / room):
            if path.is_file() and DIGEST.fullmatch(path.name):
                yield Entry(what, path, (path,), (), path.stat().st_mtime)
    loops = tuple(path for kind in ("*.nbi", "*.nbc") for path in sorted((root / LOOPS).rglob(kind)))
    if loops:
        yield Entry("compiled loops", root / LOOPS, loops, (), max(path.stat().st_mtime for path in loops))


def remove(entry: Entry) -> bool:
    """Remove the entry's files and its folder; False, and nothing is touched, if a process uses it.

    A folder first gets a hidden name, as unfinished ones have: others find it whole or not at all.
    """
    if entry.path.is_file():
        entry.path.unlink()
        return True
    with unheld(entry.path) as is_free:
        if not is_free:
            return False
        if entry.path.name == LOOPS:
            for path in entry.parts:
                path.unlink(missing_ok=True)
            for path in sorted({part.parent for part in entry.parts}, reverse=True):
                with suppress(OSError):  # not empty
                    path.rmdir()
            return True
        aside = entry.path.with_name(f".{entry.path.name.lstrip('.')}.{time.time_ns() & 0xFFFFFFFF:08x}")
        entry.path.rename(aside)
        shutil.rmtree(aside)
    return True


def _inside(room: Path) -> list[Path]:
    """What lies in a room, except links: their targets are not ours."""
    return [path for path in sorted(room.iterdir()) if not path.is_symlink()] if room.is_dir() else []


def _sealed(folder: Path, what: str) -> Entry | None:
    """The entry of a folder that bears a key and holds what its seal names, and nothing else."""
    seal = folder / SEAL
    try:
        named = json.loads(seal.read_text(encoding="utf-8"))
        names, sources = set(named["files"]), tuple(map(str, named.get("paths", ())))
        parts = tuple(sorted(folder.iterdir()))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    is_ours = KEY.fullmatch(folder.name) and all(path.is_file() and path.name in names | {SEAL} for path in parts)
    return Entry(what, folder, parts, sources, seal.stat().st_mtime) if is_ours else None


def _left_behind(folder: Path) -> Entry | None:
    """The entry of what a killed process left half built, untouched for a day."""
    if not re.fullmatch(rf"\.(.+-)?[0-9a-f]{{24}}{ASIDE}", folder.name):
        return None
    parts = tuple(sorted(folder.iterdir()))
    used = max(path.lstat().st_mtime for path in (folder, *parts))
    is_plain = all(path.is_file() and not path.is_symlink() for path in parts)
    return (
        Entry("left half built", folder, parts, (), used) if is_plain and time.time() - used > STALE_SECONDS else None
    )
