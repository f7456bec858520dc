"""The cache of what is costly to make, kept between runs: genomes, tokenised text, vocabularies, mask rates, speeds.

What is read from the cache is what was written there. A folder carries a seal: the checksum of each of its files, and
each file's stamp at the time. A file whose stamp has changed is checked in full once; what differs from what was
written, or was made of sources that have been replaced since, is rebuilt. The time of the seal, or of a single file, is
that of its last use; a process holds the folders it uses, so that none is removed meanwhile.
"""

import errno
import hashlib
import json
import logging
import os
import shutil
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from genomask.errors import DataError, SettingsError
from genomask.files.atomic import atomic_folder, atomic_write
from genomask.files.locking import hold

SEAL = "seal.json"
STALE_SECONDS = 24 * 3600
CHUNK_BYTES = 1 << 22

log = logging.getLogger(__name__)


def default_cache() -> Path:
    """$GENOMASK_CACHE, or ~/.cache/genomask. Raises SettingsError for a user without a home, as in containers."""
    if given := os.environ.get("GENOMASK_CACHE"):
        return Path(given)
    try:
        return Path.home() / ".cache" / "genomask"
    except RuntimeError as error:
        raise SettingsError(
            "this user has no home folder to keep the cache in; set GENOMASK_CACHE to a folder that you may write to."
        ) from error


def key_of(*facts: object) -> str:
    """A name that changes with the facts, which JSON must be able to hold."""
    return hashlib.blake2b(json.dumps(facts).encode(), digest_size=12).hexdigest()


def files_key(files: Sequence[Path], *facts: object) -> str:
    """A name that changes with the paths, sizes and modification times of the files, and with the facts."""
    return key_of(*facts, [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in files])


def sealed_folder(folder: Path, sources: Sequence[Path], build: Callable[[Path], None]) -> None:
    """Make `folder` hold what `build` writes into an empty folder from the `sources`; kept if it already does.

    Raises DataError if a source changes while it is read.
    """
    hold(folder)
    if _stands(folder, sources):
        _used_now(folder / SEAL)
        return
    if folder.exists():
        log.warning("%s: damaged, or its source has been replaced; it is rebuilt", folder)
    remove_stale(folder.parent)
    before = _stamps(sources)
    with atomic_folder(folder, stands=lambda: _stands(folder, sources)) as building:
        build(building)
        if _stamps(sources) != before:
            raise DataError(f"{sources[0]}: a file changed while it was read. Wait until it is complete.")
        files = {path.name: [checksum(path), _stamp(path)] for path in sorted(building.iterdir())}
        seal = {"sources": before, "files": files, "paths": _paths(sources)}
        (building / SEAL).write_text(json.dumps(seal), encoding="utf-8")
    hold(folder)


def remember(file: Path, content: Any) -> None:
    """Keep content that JSON can hold, with its digest."""
    atomic_write(file, json.dumps({"content": content, "digest": key_of(content)}))


def recall(file: Path) -> Any:
    """What `remember` kept there; None if it cannot be read as it was written."""
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        content = kept["content"] if kept["digest"] == key_of(kept["content"]) else None
        _used_now(file)
        return content
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None


@contextmanager
def cache_errors(root: Path) -> Iterator[None]:
    """Turn disk errors of the cache at `root` into a DataError; errors of input files are DataErrors already."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DataError(
                f"{root}: no disk space left for the cache. Free some, or set GENOMASK_CACHE to a folder on a larger "
                "disk."
            ) from error
        raise DataError(
            f"{root}: the cache cannot be used ({error.strerror or error}). "
            "Set GENOMASK_CACHE to a folder that you may write to."
        ) from error


def remove_stale(root: Path) -> None:
    """Remove what killed processes left half built, untouched for a day."""
    for left in root.glob(".*"):
        with suppress(OSError):  # another process was faster
            if time.time() - max(path.stat().st_mtime for path in (left, *left.glob("*"))) > STALE_SECONDS:
                shutil.rmtree(left)


def _stands(folder: Path, sources: Sequence[Path]) -> bool:
    """Does the folder hold what was sealed, made of these very sources? Files with another stamp are read in full."""
    try:
        seal = json.loads((folder / SEAL).read_text(encoding="utf-8"))
        changed = [name for name, (_, stamp) in seal["files"].items() if _stamp(folder / name) != stamp]
        paths = seal.get("paths", _paths(sources))  # seals of earlier versions name none
        known = (seal.keys() - {"paths"}, seal["sources"], paths)
        if known != ({"sources", "files"}, _stamps(sources), _paths(sources)) or not all(
            checksum(folder / name) == seal["files"][name][0] for name in changed
        ):
            return False
    except (FileNotFoundError, NotADirectoryError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return False
    if changed:
        seal["files"] |= {name: [seal["files"][name][0], _stamp(folder / name)] for name in changed}
        with suppress(OSError):  # a cache that others own is checked in full each time
            atomic_write(folder / SEAL, json.dumps(seal))
    return True


def _used_now(file: Path) -> None:
    with suppress(OSError):  # a cache that others own
        os.utime(file)


def _paths(files: Sequence[Path]) -> list[str]:
    return [str(path.resolve()) for path in files]


def _stamps(files: Sequence[Path]) -> list[list[int]]:
    return [_stamp(path) for path in files]


def _stamp(path: Path) -> list[int]:
    """Changes when a file is written to, replaced or restored, even if its size and time are set as before."""
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


def checksum(path: Path) -> int:
    """CRC-32, as in gzip and zip: damage is by accident here, and a genome is checked at 4 GB a second."""
    crc = 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            crc = zlib.crc32(chunk, crc)
    return crc
