"""A part of a genome file in, its bases out: an index of lines (.fai, as samtools writes it) leaves the rest unread.

An index beside the file is used if it is no older; else one is made in the cache. A file that cannot have one (its
lines differ in length, or it is gzip without blocks, GenBank or 2bit) is read whole, as for training.
"""

import logging
import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pyfaidx import Faidx, FastaIndexingError, UnsupportedCompressionFormat

from genomask.data.fasta import BLANKS, Part, opened, parts_of, pieces_of
from genomask.data.genome import Genome
from genomask.data.region import parse_region
from genomask.errors import DataError
from genomask.files.cache import cache_errors, default_cache, files_key, sealed_folder

FORMAT = 3
"""Part of the key of an index in the cache."""
INDEX, BLOCKS = "index.fai", "index.gzi"
UNFIT = (
    FastaIndexingError,
    UnsupportedCompressionFormat,
    ValueError,
    LookupError,
    TypeError,
    EOFError,
    zlib.error,
    RuntimeError,
    struct.error,
)
"""What pyfaidx raises for a file that is no FASTA, damaged or of another layout, and for an invalid index."""

log = logging.getLogger(__name__)


class _NoIndexError(Exception):
    """The lines of a file have no index: reading it whole reports what is wrong with it, if anything is."""


class FastaPart(NamedTuple):
    """A stretch of a record."""

    record: str
    start: int  # of its first base in the record, from 0
    codes: np.ndarray  # (n,) uint8


def read_part(path: Path, region: str, ambiguous: str = "error") -> FastaPart:
    """The bases of "chr1" or "chr1:1,001-2,000" (from 1, both ends included), with letters read as in `read_fasta`.

    Raises SettingsError for a record or part that is not there, DataError for a file or index that cannot be used.
    """
    with opened(path):
        pass  # refuses what reading it whole refuses at once, such as bgzip without its end
    try:
        return _from_lines(path, region, ambiguous)
    except _NoIndexError as error:
        log.info("%s: no index of its lines can be used (%s), so it is read whole", path, " ".join(str(error).split()))
        return _from_genome(path, region, ambiguous)


def _from_lines(path: Path, region: str, ambiguous: str) -> FastaPart:
    faidx = _indexed(path)
    with _reading(path, faidx):
        lengths = {name: int(entry.rlen) for name, entry in faidx.index.items()}
        record, start, stop = parse_region(region, lengths)
        letters = faidx.fetch(record, start + 1, stop).encode()
    if len(letters) != stop - start:
        raise _not_its_index(path, faidx.indexname)
    parts = (Part(is_header=True, text=b">" + record.encode()), Part(is_header=False, text=letters))
    codes = np.concatenate([piece.codes for piece in pieces_of(path, iter(parts), ambiguous)])
    if len(codes) != stop - start:  # blanks among the letters
        raise _not_its_index(path, faidx.indexname)
    return FastaPart(record, start, codes)


def _from_genome(path: Path, region: str, ambiguous: str) -> FastaPart:
    genome = Genome.open(path, ambiguous=ambiguous)
    start, stop = genome.interval(region)
    record = int(np.searchsorted(genome.offsets, start, side="right")) - 1
    return FastaPart(genome.names[record], start - int(genome.offsets[record]), genome.codes[start:stop])


def _indexed(path: Path) -> Faidx:
    """The file with its index, which is made in the cache if none lies beside it."""
    beside = _beside(path)
    if beside.is_file() and beside.stat().st_mtime >= path.stat().st_mtime:
        blocks = Path(f"{path}.gzi")
        if path.suffix not in (".gz", ".bgz") or blocks.is_file():
            try:
                return _open(path, beside, blocks)
            except UNFIT as error:
                raise _not_its_index(path, beside) from error
    root = default_cache() / "indexes"
    folder = root / f"{path.name.split('.')[0]}-{files_key([path], FORMAT)}"
    with cache_errors(root):
        sealed_folder(folder, [path], lambda building: _build(path, building))
    try:
        return _open(path, folder / INDEX, folder / BLOCKS)
    except UNFIT as error:
        raise _not_its_index(path, folder / INDEX) from error


def _beside(path: Path) -> Path:
    return Path(f"{path}.fai")


def _build(path: Path, folder: Path) -> None:
    """Write the index if it is true of every line; DataError for what reading the file whole would refuse."""
    try:
        with closing(_open(path, folder / INDEX, folder / BLOCKS)) as faidx:
            entries = list(faidx.index.values())
    except UNFIT as error:
        raise _NoIndexError(error) from error
    with opened(path) as file:  # once: pyfaidx also accepts a '>' within a line, and hides the records after it
        for _ in pieces_of(path, _by_the_index(parts_of(file), entries), ambiguous="n"):
            pass


def _by_the_index(parts: Iterable[Part], entries: Iterable[Any]) -> Iterator[Part]:
    """The parts, unchanged. Raises _NoIndexError if a letter is not where its record's entry says.

    pyfaidx counts blanks at the end of a line as letters, and lets a line be longer than those before it.
    """
    at, n_letters, rest, entry = 0, 0, iter(entries), None
    for part in parts:
        if part.is_header:
            _require_letters(entry, n_letters)
            entry, n_letters = next(rest, None), 0
        elif entry is not None:
            n_letters += _letters_in_place(part.text, at - entry.offset, entry)
        at += len(part.text)
        yield part
    _require_letters(entry, n_letters)


def _letters_in_place(text: bytes, at: int, entry: Any) -> int:
    """The number of letters in a stretch of lines that begins `at` bytes into its record."""
    lines = np.frombuffer(text.rstrip(BLANKS), dtype=np.uint8)
    blanks = at + np.flatnonzero(lines <= ord(" "))
    starts = np.arange(at // entry.lenb, (at + len(lines)) // entry.lenb + 1) * entry.lenb
    ends = (starts[:, None] + np.arange(entry.lenc, entry.lenb)).ravel()
    if not np.array_equal(blanks, ends[(ends >= at) & (ends < at + len(lines))]):
        raise _NoIndexError("lines of unequal length, or blanks in them")
    return len(lines) - len(blanks)


def _require_letters(entry: Any, n_letters: int) -> None:
    if entry is not None and n_letters != entry.rlen:
        raise _NoIndexError("blanks at the end of lines")


def _open(path: Path, index: Path, blocks: Path) -> Faidx:
    return Faidx(path, indexname=index, gzi_indexname=blocks, as_raw=True)


@contextmanager
def _reading(path: Path, faidx: Faidx) -> Iterator[None]:
    """Close the file afterwards; pyfaidx's errors about damage become ours."""
    try:
        yield
    except (ValueError, RuntimeError, EOFError, struct.error, zlib.error, OSError) as error:
        raise _not_its_index(path, faidx.indexname) from error
    finally:
        faidx.close()


def _not_its_index(path: Path, index: Path | str) -> Exception:
    """What is wrong, and how to fix it; if the index is the cache's own, the file is read whole instead."""
    if Path(index) == _beside(path):
        return DataError(f"{path}: the index {index} does not fit this file. Remove it; a new one will be made.")
    return _NoIndexError(f"that in the cache, {index}, does not fit")
