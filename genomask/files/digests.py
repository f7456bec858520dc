"""Digests beside files, as sha256sum writes them: a flipped bit is noticed, by us and by `sha256sum -c`."""

import functools
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from genomask.errors import DataError
from genomask.files.atomic import naming

WEIGHTS = "model.safetensors"
WEIGHTS_DIGEST = f"{WEIGHTS}.sha256"
ADVICE = f"; restore the folder from a backup or, if the weights were changed on purpose, remove {WEIGHTS_DIGEST}"


def write_digests(path: Path, names: Sequence[str]) -> None:
    """Write to `path` the SHA-256 of the files of these names beside it."""
    lines = (f"{_digest(path.with_name(name))}  {name}\n" for name in names)
    with naming(path):
        path.write_text("".join(lines), encoding="utf-8")


def check_digests(path: Path, advice: str = "") -> None:
    """Raises DataError for the first file named in `path` that is not what was written, and for a damaged `path`."""
    lines = path.read_bytes().decode(errors="replace").splitlines()
    known = [re.fullmatch(r"([0-9a-f]{64}) [ *]([^/]+)", line) for line in lines]
    for found in known or [None]:
        if found is None:
            raise DataError(f"{path}: damaged, not lines of SHA-256 and a name{advice}")
        file = path.with_name(found[2])
        if not file.is_file() or _digest(file) != found[1]:
            raise DataError(f"{file}: differs from what was written (SHA-256 in {path.name}){advice}")


def write_weights_digest(folder: Path) -> None:
    """Put the digest of a model folder's weights beside them."""
    write_digests(folder / WEIGHTS_DIGEST, [WEIGHTS])


def check_weights(folder: Path) -> None:
    """Raises DataError if the weights of a model folder do not match the digest beside them, if there is one."""
    if (folder / WEIGHTS_DIGEST).is_file() and (folder / WEIGHTS).is_file():
        check_digests(folder / WEIGHTS_DIGEST, ADVICE)


def _digest(path: Path) -> str:
    about = path.stat()
    return _digest_of(path, about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino)


@functools.lru_cache(maxsize=64)
def _digest_of(path: Path, *_state: int) -> str:
    """Read the file as a stream, once for each of its states: a few-shot run opens a model many times."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
