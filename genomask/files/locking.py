"""One process at a time in a folder: a lock of the operating system, which a killed process gives up by itself."""

import fcntl
import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from genomask.errors import SettingsError
from genomask.files.atomic import naming

LOCK = ".lock"
"""The file in a folder that is locked; it names its holder, and goes with the lock."""

RETRY_SECONDS = 0.2

log = logging.getLogger(__name__)


@contextmanager
def locked(folder: Path, wait: float = 0.0) -> Iterator[None]:
    """Be the only one to use `folder` within the block; a folder made for it and left empty is removed again.

    Raises SettingsError, with the process and its host, where another holds it and still does after `wait` seconds.
    """
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    with naming(folder):
        folder.mkdir(parents=True, exist_ok=True)
        handle = _take(folder / LOCK, time.monotonic() + wait)
    try:
        yield
    finally:
        if _is(handle, folder / LOCK):  # and still ours: never the file of the next holder
            (folder / LOCK).unlink()
        os.close(handle)
        with suppress(OSError):  # not empty
            for place in missing:
                place.rmdir()


def _take(path: Path, deadline: float) -> int:
    """An open handle that holds the lock of `path`."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(handle, 300).decode(errors="replace").strip() or "another process"
            os.close(handle)
            if time.monotonic() >= deadline:
                raise SettingsError(
                    f"{path.parent} is in use by {holder}; wait until it has ended, or give another --out."
                ) from error
            time.sleep(RETRY_SECONDS)
            continue
        except OSError as error:
            log.warning("%s: no locks here (%s), so that a second run in it is not noticed", path, error.strerror)
            return handle
        if _is(handle, path):
            os.ftruncate(handle, 0)
            os.write(handle, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
            return handle
        os.close(handle)  # its holder ended, and removed it, between our opening and our locking it


def _is(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
