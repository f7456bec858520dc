"""FASTA files in, one memory-mapped genome out: all records end to end, with the runs that windows may lie in.

Built once into a cache folder (see genome_cache) and opened from there in milliseconds.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genomask.data import genome_cache
from genomask.errors import SettingsError, quoted, shown


@dataclass(frozen=True, eq=False)
class Genome:
    """The bases of all records of all files, end to end, and what is where in them. Positions are int64, from 0."""

    codes: np.ndarray
    """(bases,) uint8, A0 C1 G2 T3, 4 otherwise; memory-mapped, read-only."""
    names: list[str]
    """Record names in file order, each once (see `open` for names that several files share)."""
    offsets: np.ndarray
    """(records + 1,) int64, where each record begins in `codes`, and the end of the last."""
    runs: np.ndarray
    """(R, 2) int64 [start, stop) of the longest stretches of ACGT, never across records."""
    repeats: np.ndarray
    """(Q, 2) int64 [start, stop) of soft-masked (lower-case) letters, never across records."""
    fingerprint: str
    """Hash of codes and offsets: the same content gives the same fingerprint, whatever its files are called."""

    @classmethod
    def open(
        cls, paths: Path | str | Sequence[Path | str], *, cache: Path | None = None, ambiguous: str = "error"
    ) -> "Genome":
        """The genome in one or more FASTA files (plain, gzip or bgzip), read once and cached.

        `cache` is a folder, by default $GENOMASK_CACHE or ~/.cache/genomask. `ambiguous="n"` reads IUPAC letters such
        as R as N; "error" refuses them. A record whose name an earlier file has used is called `stem:name`, after its
        own file (chr1 of b.fa.gz: `b:chr1`), and a log line says so. Raises DataError for files that cannot be used.
        """
        files = [Path(paths)] if isinstance(paths, str | Path) else [Path(path) for path in paths]
        return cls(**genome_cache.open_arrays(files, cache, ambiguous))

    def interval(self, text: str) -> tuple[int, int]:
        """[start, stop) in `codes` of a record ("chr1") or of a part of it ("chr1:1,001-2,000", from 1, inclusive).

        Raises SettingsError for a record or a part that is not there.
        """
        if text in self.names:
            return self._record(text)
        match = re.fullmatch(r"(.+):([\d,]{1,24})-([\d,]{1,24})", text)
        name = match[1] if match else text
        if not match or name not in self.names:
            raise SettingsError(f"the genome has no record {quoted(name)}. Its records are: {self._known_records()}.")
        offset, end = self._record(name)
        first, last = (int(number.replace(",", "") or 0) for number in match.groups()[1:])
        if first > last:
            raise SettingsError(f"{text!r} ends before it begins: write the lower number first, NAME:FIRST-LAST.")
        if not 1 <= first <= last <= end - offset:
            raise SettingsError(
                f"{quoted(text)} is not a part of record {shown(name)}, which has bases 1-{end - offset:,}. "
                "Write NAME:FIRST-LAST, counted from 1, both ends included."
            )
        return offset + first - 1, offset + last

    def _record(self, name: str) -> tuple[int, int]:
        number = self.names.index(name)
        return int(self.offsets[number]), int(self.offsets[number + 1])

    def _known_records(self, most: int = 10) -> str:
        more = len(self.names) - most
        return ", ".join(map(shown, self.names[:most])) + (f" and {more} more" if more > 0 else "")
