"""Files and folders that appear whole or not at all: written aside, synced to disk, then renamed into place.

They have the mode that the user's umask gives. An OSError of a write names the final file, not the temporary one.
"""

import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from safetensors import SafetensorError

from genomask.errors import SettingsError

ASIDE = r"\.[0-9a-f]{6,8}"
"""How temporary names end."""


def require_folder(path: Path) -> None:
    """Raises SettingsError, before the work, for an --out that cannot be made or written to as a folder."""
    places = (path.absolute(), *path.absolute().parents)
    try:
        there = next(place for place in places if place.is_symlink() or place.exists())
    except OSError as error:
        raise SettingsError(f"{path} cannot be created ({error.strerror}); give another --out.") from error
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise SettingsError(
            f"{path} cannot be written: {there} is not a folder that you may write to; give another --out."
        )


def sweep(folder: Path, *names: str) -> None:
    """Remove what killed writes of these names (or patterns) left in `folder`; the caller holds its lock.

    A name that ends in / is a folder's. A file with a folder's name, or the reverse, is not ours, and stays.
    """
    for name in names:
        for left in list(folder.glob(f".{name.rstrip('/')}.*")):
            if not re.fullmatch(ASIDE, left.suffix):  # .config.toml.swp is an editor's
                continue
            is_folder = left.is_dir() and not left.is_symlink()
            if is_folder and name.endswith("/"):
                shutil.rmtree(left)
            elif not is_folder and not name.endswith("/"):
                left.unlink()


@contextmanager
def naming(target: Path) -> Iterator[None]:
    """Make disk errors inside name `target`: a failed write names no file, and safetensors has errors of its own."""
    try:
        yield
    except SafetensorError as error:
        number = re.search(r"(?:os error|code:) (\d+)", str(error))
        if not number:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(target)) from error
    except OSError as error:
        if error.errno is not None and (error.filename is None or f"/.{target.name}." in str(error.filename)):
            error.filename, error.filename2 = str(target), None
        raise


@contextmanager
def atomic_folder(target: Path, stands: Callable[[], bool] = lambda: False) -> Iterator[Path]:
    """A temporary folder beside `target`; on leaving without an error it becomes `target`, replacing one there.

    If `stands` returns True, what is there already stays: another process was faster.
    """
    aside = _beside(target)
    with naming(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        aside.mkdir()
        try:
            yield aside
            mode = aside.stat().st_mode & 0o666  # safetensors makes its files readable by their owner only
            for path in aside.rglob("*"):
                if path.is_file():
                    path.chmod(mode)
                    _sync(path)
            _sync(aside)
            _install(aside, target, stands)
            _sync(target.parent)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def atomic_file(target: Path) -> Iterator[BinaryIO]:
    """A file to write; on leaving without an error it becomes `target`, so that readers never see a part of it."""
    aside = _beside(target)
    with naming(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with aside.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            aside.replace(target)
        finally:
            aside.unlink(missing_ok=True)


def atomic_write(target: Path, text: str) -> None:
    """Write a text file so that readers see the old or the new content, never a part."""
    with atomic_file(target) as file:
        file.write(text.encode())


def _beside(target: Path) -> Path:
    return target.with_name(f".{target.name}.{secrets.token_hex(4)}")


def _install(aside: Path, target: Path, stands: Callable[[], bool]) -> None:
    """Rename the finished folder into place; an existing one is moved away whole before it is removed."""
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
