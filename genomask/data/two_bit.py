"""UCSC .2bit files in, the parts of their records out, lower case where soft-masked.

The format (https://genome.ucsc.edu/FAQ/FAQformat.html#format7): an index of names and offsets; for each record its
length, its stretches of N, its soft-masked stretches, and two bits a base. The file is read once, forwards, and its
numbers are checked against each other before memory is allocated for them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path

import numpy as np

from genomask.data.fasta import CHUNK_BYTES, Part
from genomask.data.intervals import intersect, union
from genomask.errors import DataError
from genomask.files.inputs import named

SIGNATURES = {bytes.fromhex("4327411a"): "<", bytes.fromhex("1a412743"): ">"}
"""First bytes -> byte order."""
MOST_RECORDS, MOST_BLOCKS = 1 << 24, 1 << 25
"""In a file, and in a record: larger numbers are damage. hg38's chr1 has 450,000 soft-masked stretches."""

_LETTERS = np.frombuffer(b"TCAG", dtype=np.uint8)[np.arange(256)[:, None] >> np.array([6, 4, 2, 0]) & 3]
"""(256, 4), the four bases of a byte."""
_TO_LOWER = 0x20


def read_two_bit(file: BufferedIOBase, path: Path) -> Iterator[Part]:
    """Each record, in the file's order. Raises DataError for numbers that contradict each other, or a cut file."""
    two_bit = _Reader(file, path, SIGNATURES[file.read(4)], at=4)
    version, n_records, _ = two_bit.numbers(3)
    if version > 1 or n_records > MOST_RECORDS:
        raise two_bit.damaged(f"version {version} with {n_records:,} records")
    index = []
    for _ in range(n_records):
        (length,) = two_bit.take(1)
        name = two_bit.take(length)
        index.append((int(two_bit.numbers(1, bits=64 if version else 32)[0]), name))
    for offset, name in sorted(index):
        two_bit.skip_to(offset)
        yield Part(is_header=True, text=b">" + name)
        yield from _record(two_bit)


@dataclass
class _Reader:
    """The file, read without seeking: it may be compressed, or standard input."""

    file: BufferedIOBase
    path: Path
    order: str
    at: int

    def take(self, count: int) -> bytes:
        """The next bytes."""
        self.at += count
        pieces = []
        while count and (piece := self.file.read(min(count, CHUNK_BYTES))):
            pieces.append(piece)
            count -= len(piece)
        if count:
            raise self.damaged(f"{count:,} bytes are missing at its end")
        return b"".join(pieces)

    def numbers(self, count: int, bits: int = 32) -> np.ndarray:
        """The next unsigned numbers, as int64."""
        return np.frombuffer(self.take(count * bits // 8), dtype=f"{self.order}u{bits // 8}").astype(np.int64)

    def skip_to(self, offset: int) -> None:
        """Skip what no record uses."""
        if offset < self.at:
            raise self.damaged("records overlap")
        while self.at < offset:
            self.take(min(offset - self.at, CHUNK_BYTES))

    def blocks(self, n_bases: int) -> np.ndarray:
        """(n, 2) int64 stretches [start, stop) of a record of `n_bases` bases."""
        (count,) = self.numbers(1)
        if count > min(n_bases, MOST_BLOCKS):
            raise self.damaged(f"{count:,} stretches in a record of {n_bases:,} bases")
        starts, sizes = self.numbers(count), self.numbers(count)
        if count and (starts + sizes).max() > n_bases:
            raise self.damaged(f"a stretch goes beyond the end of its record of {n_bases:,} bases")
        return union(np.stack([starts, starts + sizes], axis=1))

    def damaged(self, found: str) -> DataError:
        """The error for a damaged file."""
        return DataError(f"{named(self.path)}: the 2bit data is cut short or damaged ({found}). Download it again.")


def _record(two_bit: _Reader) -> Iterator[Part]:
    """The letters of the record that begins here, piece by piece."""
    (n_bases,) = two_bit.numbers(1).tolist()
    unknown, soft_masked = two_bit.blocks(n_bases), two_bit.blocks(n_bases)
    two_bit.numbers(1)  # reserved
    for start in range(0, n_bases, CHUNK_BYTES):
        stop = min(start + CHUNK_BYTES, n_bases)
        packed = np.frombuffer(two_bit.take(-(-(stop - start) // 4)), dtype=np.uint8)
        letters = _LETTERS[packed].reshape(-1)[: stop - start]
        letters[_covered(unknown, start, stop)] = ord("N")
        letters[_covered(soft_masked, start, stop)] |= _TO_LOWER
        yield Part(is_header=False, text=letters.tobytes())


def _covered(blocks: np.ndarray, start: int, stop: int) -> np.ndarray:
    """(stop - start,) bool, which places of a piece lie in the blocks; no two blocks touch."""
    edges = np.zeros(stop - start + 1, dtype=np.int8)
    inside = intersect(blocks, np.array([[start, stop]])) - start
    edges[inside[:, 0]] += 1
    edges[inside[:, 1]] -= 1
    return edges[:-1].cumsum(dtype=np.int8).astype(bool)
