"""Files that a command writes: a place that cannot be written is refused before the work, not after it."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from genomask.errors import SettingsError


def require_writable(path: Path, option: str, inputs: Sequence[Path]) -> None:
    """Raises SettingsError, before the work, for a path that cannot be written, or that is an input."""
    with writing(path, option):
        folder = next(parent for parent in path.absolute().parents if parent.exists())
        if path.is_dir():
            raise SettingsError(f"{option} {path} is a folder; give the name of a file in it.")
        if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
            raise SettingsError(f"{option} {path} cannot be written: {folder} is not a folder that you may write to.")
        if os.path.realpath(path) in map(os.path.realpath, inputs):
            raise SettingsError(f"{option} {path} would overwrite a file that this command uses; give another name.")


def require_own(path: Path, option: str, is_own: Callable[[Path], bool], what: str) -> None:
    """Raises SettingsError if a file of another kind, one that is not empty, would be overwritten."""
    with writing(path, option):
        if path.exists() and not (path.is_file() and (path.stat().st_size == 0 or is_own(path))):
            raise SettingsError(f"{option} {path} already exists and is not {what}; give another name.")


@contextmanager
def writing(path: Path, option: str) -> Iterator[None]:
    """Turn disk errors into a SettingsError."""
    try:
        yield
    except OSError as error:
        raise SettingsError(
            f"{option} {path} cannot be written ({error.strerror}); free some space, or give another path."
        ) from error
