"""Genome files in, one memory-mapped genome out: all records end to end, with the runs that windows may lie in.

Built once into a cache folder (see genome_cache) and opened from there in milliseconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genomask.data import genome_cache
from genomask.data.region import parse_region
from genomask.files.genomes import genome_files


@dataclass(frozen=True, eq=False)
class Genome:
    """The bases of all records of all files, end to end, and what lies where. Positions are int64, from 0."""

    codes: np.ndarray
    """(bases,) uint8, A0 C1 G2 T3, 4 otherwise; memory-mapped, read-only."""
    names: list[str]
    """Record names in file order, each once (see `open` for names that several files share)."""
    offsets: np.ndarray
    """(records + 1,) int64, where each record begins in `codes`, and the end of the last."""
    runs: np.ndarray
    """(R, 2) int64 [start, stop) of maximal stretches of ACGT, never across records."""
    repeats: np.ndarray
    """(Q, 2) int64 [start, stop) of soft-masked (lower-case) letters, never across records."""
    fingerprint: str
    """Hash of codes and offsets: the same content gives the same fingerprint, whatever its files are called."""
    ambiguous: int = 0
    """How many letters such as R were read as N."""
    files: tuple[Path, ...] = ()
    """Where they were read from."""
    file_offsets: tuple[int, ...] = ()
    """(files + 1,) where each file begins in `codes`, and the end of the last."""

    @classmethod
    def open(
        cls, paths: Path | str | Sequence[Path | str], *, cache: Path | None = None, ambiguous: str = "error"
    ) -> "Genome":
        """The genome in one or more files (FASTA, GenBank, 2bit, also gzip or bgzip) or folders, read once and cached.

        `cache` is a folder, by default $GENOMASK_CACHE or ~/.cache/genomask. `ambiguous="n"` reads IUPAC letters such
        as R as N; "error" refuses them. A record whose name an earlier file has used is called `stem:name`, after its
        own file (chr1 of b.fa.gz: `b:chr1`), and a log line says so. Raises DataError for files that cannot be used.
        """
        files = genome_files([Path(paths)] if isinstance(paths, str | Path) else [Path(path) for path in paths])
        return cls(**genome_cache.open_arrays(files, cache, ambiguous), files=tuple(files))

    def interval(self, text: str) -> tuple[int, int]:
        """[start, stop) in `codes` of a record ("chr1") or of a part of it ("chr1:1,001-2,000", from 1, inclusive).

        Raises SettingsError for a record or a part that is not there.
        """
        lengths = dict(zip(self.names, np.diff(self.offsets).tolist(), strict=True))
        name, start, stop = parse_region(text, lengths)
        offset = int(self.offsets[self.names.index(name)])
        return offset + start, offset + stop
