"""Files and folders that appear whole or not at all: written aside, synced to disk, then renamed into place."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from genomask.errors import SettingsError


def require_folder(path: Path) -> None:
    """Raises SettingsError now for an --out that could not be made, or written to, as a folder after the work."""
    places = (path.absolute(), *path.absolute().parents)
    try:
        there = next(place for place in places if place.is_symlink() or place.exists())
    except OSError as error:
        raise SettingsError(f"{path} cannot be made a folder ({error.strerror}); give another --out.") from error
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise SettingsError(
            f"{path} cannot be written: {there} is no folder that you may write to; give another --out."
        )


@contextmanager
def atomic_folder(target: Path, stands: Callable[[], bool] = lambda: False) -> Iterator[Path]:
    """A temporary folder beside `target`; on leaving without an error it becomes `target`, replacing one there.

    Where `stands` says so, what is there already stays: another process was faster.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    aside.chmod(0o755)
    try:
        yield aside
        for path in aside.rglob("*"):
            if path.is_file():
                _sync(path)
        _sync(aside)
        _install(aside, target, stands)
        _sync(target.parent)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def atomic_file(target: Path) -> Iterator[BinaryIO]:
    """A file to write; on leaving without an error it becomes `target`, so that readers never see a part of it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, target)
    finally:
        Path(name).unlink(missing_ok=True)


def atomic_write(target: Path, text: str) -> None:
    """Write a text file so that readers see the old or the new content, never a part."""
    with atomic_file(target) as file:
        file.write(text.encode())


def _install(aside: Path, target: Path, stands: Callable[[], bool]) -> None:
    """Rename the finished folder into place; one that is there is moved away whole before it is removed."""
    try:
        aside.rename(target)
    except OSError:
        if not target.is_dir():
            raise
        if stands():
            return
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as trash:
            target.rename(Path(trash) / target.name)
            aside.rename(target)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
