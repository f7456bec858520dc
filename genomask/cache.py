"""Where what is costly to make is kept between runs: genomes, tokenised text, vocabularies, calibrated mask rates."""

import errno
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from genomask.errors import DataError, SettingsError

STALE_SECONDS = 24 * 3600


def default_cache() -> Path:
    """$GENOMASK_CACHE, or ~/.cache/genomask. Raises SettingsError for a user without a home, as containers have."""
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


@contextmanager
def cache_errors(root: Path) -> Iterator[None]:
    """Turn what the disk says of the cache at `root` into a sentence; errors of input files are DataErrors already."""
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
