"""What stands for a genome on a command line: a file, a folder of them, or - for standard input. Files come out.

Standard input is kept in the cache as a file named by its content, so that it can be read as often as any other.
"""

import hashlib
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from genomask.errors import DataError
from genomask.files.cache import CHUNK_BYTES, cache_errors, default_cache
from genomask.files.inputs import local, require_file

SUFFIXES = frozenset((".fa", ".fna", ".fasta", ".2bit", ".gb", ".gbk", ".gbff"))
"""Of the files in a folder, plain or packed, that are genomes; a file that is named may be called anything."""
PACKED = frozenset((".gz", ".bgz"))
STDIN_ROOM = "stdin"
"""The room of the cache where standard input is kept."""


def input_genome(text: str | Path) -> Path:
    """A file or folder that will be read, or - for standard input, which is read now."""
    if str(text) == "-":
        return _kept_stdin()
    path = local(text)
    require_genome(path)
    return path


def require_genome(path: Path) -> None:
    """Raises DataError for what is neither an ordinary file nor a folder with a genome in it."""
    if os.path.isdir(path):
        genome_files([path])
    else:
        require_file(path)


def genome_files(paths: Sequence[Path]) -> list[Path]:
    """The files themselves; of a folder those in it, at any depth, whose names end as a genome's, by their paths."""
    found = []
    for path in paths:
        within = sorted(filter(_is_genome, path.rglob("*"))) if os.path.isdir(path) else [path]
        if not within:
            known = " ".join(sorted(SUFFIXES))
            raise DataError(
                f"{path}: no genome in this folder. Name files, or let them end in one of {known} (or .gz)."
            )
        found += within
    return found


def stem_of(path: Path) -> str:
    """The name without what says of which kind the file is."""
    while path.suffix.lower() in SUFFIXES | PACKED:
        path = path.with_suffix("")
    return path.name


def _is_genome(path: Path) -> bool:
    name = path.with_suffix("") if path.suffix.lower() in PACKED else path
    return name.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()


def _kept_stdin() -> Path:
    room = default_cache() / STDIN_ROOM
    digest = hashlib.blake2b(digest_size=16)
    with cache_errors(room):
        room.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".", dir=room) as folder:
            arriving = Path(folder) / "stdin"
            with arriving.open("wb") as file:
                while chunk := sys.stdin.buffer.read(CHUNK_BYTES):
                    digest.update(chunk)
                    file.write(chunk)
            return arriving.replace(room / f"{digest.hexdigest()}.genome")
