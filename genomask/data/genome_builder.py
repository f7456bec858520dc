"""Records of genome files in, the parts of a Genome out; codes are written as they come, so memory stays small."""

import hashlib
import itertools
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from genomask.data.fasta import CHUNK_BYTES, UNKNOWN, Piece
from genomask.data.genome_formats import read_genome
from genomask.data.intervals import intersect, intervals_of, union
from genomask.errors import DataError, shown
from genomask.files.genomes import stem_of

log = logging.getLogger(__name__)


class GenomeBuilder:
    """Takes genome files one after the other; writes their codes to `out` and notes what lies where."""

    def __init__(self, out: IO[bytes], has_read: Callable[[int], None]) -> None:
        """`has_read` is called with the number of bases just read."""
        self._out = out
        self._has_read = has_read
        self._files: list[Path] = []
        self._offsets = [0]
        self._file_offsets = [0]
        self._digests: list[bytes] = []
        self._names: dict[str, None] = {}
        self._origins: dict[str, list[tuple[Path, bytes]]] = {}  # name in the file -> files that use it, and content
        self._pending: list[Piece] = []  # not yet written: contigs may be small, numpy is faster on them joined
        self._n_pending = 0
        self._n_written = 0
        self._ambiguous = 0
        self._runs: list[np.ndarray] = []
        self._repeats: list[np.ndarray] = []

    def add_file(self, path: Path, ambiguous: str) -> None:
        """Append all records of a file."""
        self._files.append(path)
        for record, pieces in itertools.groupby(read_genome(path, ambiguous), key=lambda piece: piece.record):
            digest = self._add_bases(pieces)
            self._digests.append(digest)
            self._add_name(path, record, digest)
        self._file_offsets.append(self._offsets[-1])

    def finish(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """What a cache folder holds beside the codes: facts for JSON, and arrays."""
        self._write_pending()
        offsets = np.array(self._offsets, dtype=np.int64)
        records = np.stack([offsets[:-1], offsets[1:]], axis=1)
        runs = intersect(union(*self._runs), records)
        if len(runs) == 0:
            names = ", ".join(map(str, self._files))
            raise DataError(
                f"{names}: all {offsets[-1]:,} bases are N, none is A, C, G or T. "
                "Give a genome that is soft-masked (lower case) or not masked at all."
            )
        content = hashlib.blake2b(b"".join(self._digests) + offsets.tobytes(), digest_size=16)
        facts = {
            "names": list(self._names),
            "fingerprint": content.hexdigest(),
            "ambiguous": self._ambiguous,
            "files": [str(path) for path in self._files],
            "file_offsets": self._file_offsets,
        }
        repeats = intersect(union(*self._repeats), records)
        return facts, {"offsets": offsets, "runs": runs, "repeats": repeats}

    def _add_bases(self, pieces: Iterator[Piece]) -> bytes:
        """Append one record, and return the hash of its codes."""
        digest = hashlib.blake2b(digest_size=16)
        at = self._offsets[-1]
        for piece in pieces:
            digest.update(piece.codes.data)
            at += piece.codes.size
            self._ambiguous += piece.ambiguous
            self._has_read(piece.codes.size)
            self._pending.append(piece)
            self._n_pending += piece.codes.size
            if self._n_pending >= CHUNK_BYTES:
                self._write_pending()
        self._offsets.append(at)
        return digest.digest()

    def _write_pending(self) -> None:
        """Write the pending codes, and find their runs and repeats as if there were no records."""
        if not self._pending:
            return
        codes = np.concatenate([piece.codes for piece in self._pending])
        soft_masked = np.concatenate([piece.soft_masked for piece in self._pending])
        self._out.write(codes.data)
        self._runs.append(intervals_of(codes < UNKNOWN) + self._n_written)
        self._repeats.append(intervals_of(soft_masked) + self._n_written)
        self._n_written += codes.size
        self._pending, self._n_pending = [], 0

    def _add_name(self, path: Path, record: str, digest: bytes) -> None:
        """Give the record its own name, prefixed with its file's stem if an earlier file has used it."""
        origins = self._origins.setdefault(record, [])
        for other, other_digest in origins:
            if other_digest == digest:
                raise DataError(
                    f"{path}: record {shown(record)} has the same name and the same bases as in {other}. "
                    "Give each sequence once."
                )
        origins.append((path, digest))
        name = record if record not in self._names else self._free_name(path, record)
        if name != record:
            log.warning(
                "%s: an earlier file also has a record %s; this one is renamed %s", path, shown(record), shown(name)
            )
        self._names[name] = None

    def _free_name(self, path: Path, record: str) -> str:
        stem = stem_of(path)
        candidates = itertools.chain([stem], (f"{stem}-{number}" for number in itertools.count(2)))
        return next(name for name in (f"{prefix}:{record}" for prefix in candidates) if name not in self._names)
