"""One process at a time in a folder: a lock of the operating system, which a killed process releases by itself.

Also many readers at a time of a folder, which nobody removes meanwhile.
"""

import fcntl
import logging
import os
import socket
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from genomask.errors import SettingsError
from genomask.files.atomic import naming

LOCK = ".lock"
"""The file in a folder that is locked; it names its holder, and is removed with the lock."""

RETRY_SECONDS = 0.2

MOST_HELD = 32
"""Most folders that this process holds: those it asked for last."""

held: OrderedDict[tuple[int, int], int] = OrderedDict()
"""Device and inode of a folder -> the handle that holds it, until the process ends."""

log = logging.getLogger(__name__)


@contextmanager
def locked(folder: Path, wait: float = 0.0) -> Iterator[None]:
    """Be the only user of `folder` within the block; a folder made for it and left empty is removed again.

    Raises SettingsError, with the process and its host, if another still holds it after `wait` seconds.
    """
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    with naming(folder):
        folder.mkdir(parents=True, exist_ok=True)
        handle = _take(folder / LOCK, time.monotonic() + wait)
    try:
        yield
    finally:
        if _is(handle, folder / LOCK):  # still ours: never remove that of the next holder
            (folder / LOCK).unlink()
        os.close(handle)
        with suppress(OSError):  # not empty
            for place in missing:
                place.rmdir()


def hold(folder: Path) -> None:
    """Be a reader of `folder`, if it exists, for as long as this process lasts; see `unheld`."""
    with suppress(OSError):  # not there, or on a disk without locks
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        stat = os.fstat(handle)
        if (stat.st_dev, stat.st_ino) in held:
            os.close(handle)
            return
        fcntl.flock(handle, fcntl.LOCK_SH)
        held[stat.st_dev, stat.st_ino] = handle
        if len(held) > MOST_HELD:
            os.close(held.popitem(last=False)[1])


@contextmanager
def unheld(folder: Path) -> Iterator[bool]:
    """Whether no process holds `folder`; if so, none can until the block ends."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        is_free = True
    except OSError:  # held, or on a disk without locks, where nobody can know
        is_free = False
    try:
        yield is_free
    finally:
        os.close(handle)


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
            log.warning("%s: no locks here (%s), so a second run in it would not be noticed", path, error.strerror)
            return handle
        if _is(handle, path):
            try:
                os.ftruncate(handle, 0)
                os.write(handle, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
            except OSError:  # a full disk: a process without the lock must not keep it from others
                os.close(handle)
                raise
            return handle
        os.close(handle)  # its holder ended, and removed it, between our opening and our locking it


def _is(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
