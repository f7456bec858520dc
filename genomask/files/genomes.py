"""A genome on a command line in (a file, a folder of files, or - for standard input), its files out.

If several genomes are mixed, each has its weight after a colon: human.fa:2 mouse.fa:1.

Standard input is kept in the cache as a file named by its content, so that it can be read as often as any other.
"""

import hashlib
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from genomask.errors import DataError, SettingsError
from genomask.files.cache import CHUNK_BYTES, cache_errors, default_cache, remove_stale
from genomask.files.inputs import STDIN, empty, input_file, local, require_file
from genomask.settings.ranges import LARGE
from genomask.settings.table import Bounds

SUFFIXES = frozenset((".fa", ".fna", ".fasta", ".2bit", ".gb", ".gbk", ".gbff"))
"""Suffixes of the genomes in a folder, plain or compressed; a file given by name may have any suffix."""
PACKED = frozenset((".gz", ".bgz"))
STDIN_ROOM = "stdin"
"""The room of the cache where standard input is kept."""
STDIN_SUFFIX = ".genome"
"""Suffix of its files there, after a digest."""


def input_genome(text: str | Path) -> Path:
    """A file or folder that will be read, or - for standard input, which is read now."""
    if str(text) == "-":
        return _kept_stdin()
    path = local(text)
    require_genome(path)
    return path


def input_kept(text: str | Path) -> Path:
    """A file of sequences that may be read several times, or - for standard input, which is read now."""
    return _kept_stdin() if str(text) == "-" else input_file(text)


def is_stdin(argument: str) -> bool:
    """Whether it stands for standard input, with or without a weight: no option, though it begins like one."""
    return argument == "-" or argument.startswith("-:")


@dataclass(frozen=True)
class WeighedGenome:
    """A genome as it was typed, with its weight among others; None if it has none."""

    path: Path
    weight: float | None

    def __str__(self) -> str:
        return str(self.path) if self.weight is None else f"{self.path}:{self.weight:g}"


def weighed_genome(text: str | Path) -> WeighedGenome:
    """As input_genome, with an optional weight after the last colon; if the whole name exists, it has none."""
    path, colon, number = str(text).rpartition(":")
    weight = None if os.path.exists(text) or not colon else _number(number)
    if weight is None:
        return WeighedGenome(input_genome(text), None)
    Bounds(above=0, most=LARGE).require(f"the weight in --genome {text}", weight)
    return WeighedGenome(input_genome(path), weight)


def split_weights(genomes: Sequence[WeighedGenome]) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Their paths, and their weights if given. Raises SettingsError if only some have one, or a single genome does."""
    weights = tuple(genome.weight for genome in genomes if genome.weight is not None)
    if weights and len(weights) < len(genomes):
        bare = next(genome for genome in genomes if genome.weight is None)
        raise SettingsError(
            f"--genome {' '.join(map(str, genomes))}: {bare.path} has no weight, but others have. Give each genome "
            f"one, such as {bare.path}:1 (several files as a folder), or none: then all files are one genome."
        )
    if len(weights) == 1:
        raise SettingsError(
            f"--genome {genomes[0]}: a weight only makes sense with several genomes; add others, or leave it out."
        )
    return tuple(str(genome.path) for genome in genomes), weights


def require_genome(path: Path) -> None:
    """Raises DataError for what is neither an ordinary file nor a folder with a genome in it."""
    if os.path.isdir(path):
        genome_files([path])
    else:
        require_file(path)


def genome_files(paths: Sequence[Path]) -> list[Path]:
    """The files themselves; for a folder, the files in it, at any depth, with a genome's suffix, sorted by path."""
    found = []
    for path in paths:
        within = sorted(filter(_is_genome, path.rglob("*"))) if os.path.isdir(path) else [path]
        if not within:
            known = " ".join(sorted(SUFFIXES))
            raise DataError(
                f"{path}: no genome in this folder. Name files, or rename them to end in one of {known} (or .gz)."
            )
        found += within
    return found


def stem_of(path: Path) -> str:
    """The name without the suffixes of genomes and compression; 'stdin' for what came from standard input."""
    while path.suffix.lower() in SUFFIXES | PACKED:
        path = path.with_suffix("")
    return name_of(path)


def name_of(path: Path) -> str:
    """The name for messages; 'stdin' for what came from standard input."""
    return "stdin" if path.suffix == STDIN_SUFFIX and path.parent.name == STDIN_ROOM else path.name


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _is_genome(path: Path) -> bool:
    name = path.with_suffix("") if path.suffix.lower() in PACKED else path
    return name.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()


def _kept_stdin() -> Path:
    room = default_cache() / STDIN_ROOM
    digest = hashlib.blake2b(digest_size=16)
    with cache_errors(room):
        room.mkdir(parents=True, exist_ok=True)
        remove_stale(room)
        with tempfile.TemporaryDirectory(prefix=".", dir=room) as folder:
            arriving = Path(folder) / "stdin"
            with arriving.open("wb") as file:
                while chunk := sys.stdin.buffer.read(CHUNK_BYTES):
                    digest.update(chunk)
                    file.write(chunk)
            if not arriving.stat().st_size:
                raise empty(STDIN, "")
            return arriving.replace(room / f"{digest.hexdigest()}{STDIN_SUFFIX}")
