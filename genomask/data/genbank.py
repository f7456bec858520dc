"""GenBank flat files in, the parts of their records out; annotation is skipped, and no Python runs per line.

A record is named by its VERSION (accession.number), else by its ACCESSION or LOCUS. All letters are lower case in this
format, which does not mean repeats: they are read as upper case.
"""

import re
import string
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BufferedIOBase
from pathlib import Path

from genomask.data.fasta import BLANKS, Part, chunks_of
from genomask.errors import DataError, shown
from genomask.files.inputs import named

MAGIC = b"LOCUS" + b" " * 7
NAMED_BY = (b"VERSION", b"ACCESSION", b"LOCUS")
ORIGIN, END = b"ORIGIN", b"//"
DIGITS = b"0123456789"

_NAME = re.compile(rb"^(LOCUS|ACCESSION|VERSION) +(\S+)(?: +(\d{1,15}) bp)?", re.MULTILINE)
_LETTERS = bytes.maketrans(
    DIGITS + string.ascii_lowercase.encode(), b" " * len(DIGITS) + string.ascii_uppercase.encode()
)


@dataclass
class _Record:
    """What is known about the record being read."""

    names: dict[bytes, bytes] = field(default_factory=dict)
    n_bases: int | None = None
    """As its LOCUS line states."""
    n_read: int = 0
    in_letters: bool = False

    @property
    def name(self) -> bytes:
        """Empty until one is read."""
        return next((self.names[word] for word in NAMED_BY if word in self.names), b"")

    def note(self, annotation: bytes) -> None:
        """Take name and length from lines above the letters."""
        for word, name, n_bases in _NAME.findall(annotation):
            self.names.setdefault(word, name)
            if n_bases and self.n_bases is None:
                self.n_bases = int(n_bases)


def read_genbank(file: BufferedIOBase, path: Path) -> Iterator[Part]:
    """Each record. Raises DataError for one without letters, or with fewer or more than it states."""
    record, line = _Record(), 1
    for chunk in chunks_of(file):
        at = 0
        while at < len(chunk):
            ends = {word: _line_with(chunk, word, at) for word in ((END,) if record.in_letters else (ORIGIN, END))}
            word, stop = min(ends.items(), key=lambda end: end[1])
            text = chunk[at:stop]
            if record.in_letters:
                record.n_read += len(text.translate(None, DIGITS + BLANKS))
                yield Part(is_header=False, text=text.translate(_LETTERS), line=line)
            else:
                record.note(text)
            at = chunk.find(b"\n", stop) + 1 or len(chunk) if stop < len(chunk) else stop
            line += text.count(b"\n") + chunk.count(b"\n", stop, at)
            if stop == len(chunk):
                continue
            if word == ORIGIN:
                record.in_letters = True
                yield Part(is_header=True, text=b">" + record.name, line=line - 1)
            else:
                _require_whole(record, f"{named(path)}, line {line - 1}")
                record = _Record()
    if record.in_letters or record.names:
        raise DataError(f"{named(path)}: its last record does not end with //, so it is cut short. Download it again.")


def _line_with(chunk: bytes, word: bytes, at: int) -> int:
    """Where the first line starts, from `at` on, that begins with the word; the chunk's end if none does."""
    if chunk.startswith(word, at):
        return at
    return chunk.find(b"\n" + word, at) + 1 or len(chunk)


def _require_whole(record: _Record, where: str) -> None:
    name = shown(record.name.decode("utf-8", errors="replace"))
    if not record.in_letters:
        raise DataError(f"{where}: record {name} has no sequence (no ORIGIN). Download the full record.")
    if record.n_bases not in (None, record.n_read):
        raise DataError(
            f"{where}: record {name} has {record.n_read:,} bases, but its LOCUS line states {record.n_bases:,}: it is "
            "cut short or damaged. Download it again."
        )
