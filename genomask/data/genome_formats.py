"""A genome file in, pieces of its records out; the first bytes of the file select the reader.

In every format, letters are read or refused by the same rule, that of `genomask.data.fasta`.
"""

import codecs
import zlib
from collections.abc import Callable, Iterator
from io import BufferedIOBase
from pathlib import Path

from genomask.data.fasta import Part, Piece, opened, parts_of, pieces_of
from genomask.data.genbank import MAGIC, read_genbank
from genomask.data.two_bit import SIGNATURES, read_two_bit
from genomask.files.inputs import reading
from genomask.files.unpacked import GZIP

Reader = Callable[[BufferedIOBase, Path], Iterator[Part]]
"""From an open file to its parts: for each record a header, then its letters. The path is for DataErrors."""

READERS: dict[bytes, Reader] = {MAGIC: read_genbank, **dict.fromkeys(SIGNATURES, read_two_bit)}
"""By the first bytes of a file, unpacked if it is gzip. A file that begins otherwise is read as FASTA."""


def read_genome(path: Path, ambiguous: str = "error") -> Iterator[Piece]:
    """The records of a genome file, piece by piece, with arguments and errors as in `read_fasta`."""
    with opened(path) as file:
        start = _unmarked(file.peek(1))  # type: ignore[attr-defined]  # of files, pipes and gzip
        reader = next((reader for magic, reader in READERS.items() if start.startswith(magic)), parts_of)
        yield from pieces_of(path, reader(file, path), ambiguous)


def is_genome(path: Path) -> bool:
    """By the first bytes, which stay unread on standard input: > begins FASTA, @ what read_fasta refuses."""
    with reading(path) as file:
        start = file.peek(1)
    if start.startswith(GZIP):
        try:
            start = zlib.decompressobj(wbits=31).decompress(start, 1 << 12)
        except zlib.error:  # whoever reads on reports it
            return False
    start = _unmarked(start)
    return start.startswith(tuple(READERS)) or start.lstrip().startswith((b">", b"@"))


def _unmarked(start: bytes) -> bytes:
    """Without the byte order mark that some editors write and readers skip."""
    return start.removeprefix(codecs.BOM_UTF8)
