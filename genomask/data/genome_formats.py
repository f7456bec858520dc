"""A genome file in, pieces of its records out, by the reader that the first bytes of the file ask for.

Whatever the format, letters are read or refused by one rule, that of `genomask.data.fasta`.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from genomask.data.fasta import Part, Piece, opened, pieces_of, read_fasta

Reader = Callable[[Path], Iterator[tuple[str, bytes]]]
"""From a file to the name and the letters of each of its records, lower case where soft-masked. Raises DataError."""

READERS: dict[bytes, Reader] = {}
"""By the first bytes of a file, unpacked where it is gzip. A file that begins otherwise is read as FASTA."""


def read_genome(path: Path, ambiguous: str = "error") -> Iterator[Piece]:
    """The records of a genome file, piece by piece, with arguments and errors as in `read_fasta`."""
    reader = _reader_of(path)
    return read_fasta(path, ambiguous) if reader is None else pieces_of(path, _parts(reader(path)), ambiguous)


def _reader_of(path: Path) -> Reader | None:
    if not READERS:
        return None
    with opened(path) as file:
        start = file.read(max(map(len, READERS)))
    return next((reader for magic, reader in READERS.items() if start.startswith(magic)), None)


def _parts(records: Iterator[tuple[str, bytes]]) -> Iterator[Part]:
    for name, letters in records:
        yield Part(is_header=True, text=b">" + name.encode(), line=0)
        yield Part(is_header=False, text=letters, line=0)
