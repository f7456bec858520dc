"""FASTA files in, pieces of records out: base codes A0 C1 G2 T3, 4 for N, and where the letters were lower case.

Plain, gzip and bgzip are recognised by the first bytes, not by the name. The file streams through memory in chunks of
a few megabytes, and no Python runs per line. U is read as T (RNA); the other IUPAC letters are refused or read as N.
"""

import codecs
import contextlib
import gzip
import zlib
from collections.abc import Iterator
from io import BufferedIOBase
from pathlib import Path
from typing import NamedTuple

import numpy as np

from genomask.errors import DataError, SettingsError, shown
from genomask.files.inputs import empty, named, reading, require_file
from genomask.files.unpacked import require_bgzip_end, unpacked

CHUNK_BYTES = 1 << 22
SHORT_BYTES = 1 << 10
MAX_HEADER_BYTES = 1 << 16
UNKNOWN = 4
"""Code of every base that is not A, C, G or T."""
AMBIGUOUS_LETTERS = "RYSWKMBDHV"
"""IUPAC letters that stand for one of several bases."""
PROTEIN_ONLY = b"EFILPQ"
"""Letters of amino acids that stand for no nucleotide."""
BLANKS = b" \t\r\n"
NEWLINE = ord("\n")

# Each letter becomes one symbol: its code in the low three bits, and three flags.
LOWER, AMBIGUOUS, ILLEGAL = 8, 16, 32


def _symbol_table() -> bytes:
    """The symbol of each byte; blanks are deleted in translation and carry no flag."""
    table = np.full(256, ILLEGAL, dtype=np.uint8)
    table[list(BLANKS)] = 0
    plain = dict(zip("ACGTUN", (0, 1, 2, 3, 3, UNKNOWN), strict=True))
    for letter, symbol in (plain | dict.fromkeys(AMBIGUOUS_LETTERS, UNKNOWN | AMBIGUOUS)).items():
        table[ord(letter)] = symbol
        table[ord(letter.lower())] = symbol | LOWER
    return table.tobytes()


SYMBOLS = _symbol_table()


class Piece(NamedTuple):
    """A stretch of one record; the pieces of a file come in order, and a record's name is unique in its file."""

    record: str
    codes: np.ndarray  # (n,) uint8, n > 0
    soft_masked: np.ndarray  # (n,) bool, lower case in the file
    ambiguous: int  # letters such as R, read as N


class Part(NamedTuple):
    """One header line, or a stretch of sequence lines between two headers."""

    is_header: bool
    text: bytes
    line: int = 0  # number of the first line, from 1; 0 in a format without lines

    def where(self, path: Path) -> str:
        """The file, and the line where there is one."""
        return f"{named(path)}, line {self.line}" if self.line else named(path)


def read_fasta(path: Path, ambiguous: str = "error") -> Iterator[Piece]:
    """The records of a FASTA file, piece by piece; `ambiguous` is "error" or "n" for letters such as R and Y.

    Raises DataError for anything wrong with the file, naming the line and the record.
    """
    with opened(path) as file:
        yield from pieces_of(path, parts_of(file), ambiguous)


def pieces_of(path: Path, parts: Iterator[Part], ambiguous: str) -> Iterator[Piece]:
    """The records that the parts of a file make up, as in `read_fasta`."""
    if ambiguous not in ("error", "n"):
        raise SettingsError(f"ambiguous must be 'error' or 'n', got {ambiguous!r}")
    refused_from = AMBIGUOUS if ambiguous == "error" else ILLEGAL
    headers: dict[str, Part] = {}
    record, n_bases = "", 0
    for part in parts:
        if part.is_header:
            _require_bases(path, headers, record, n_bases)
            record, n_bases = _record_name(path, part), 0
            if record in headers:
                raise _same_name(path, record, headers[record], part)
            headers[record] = part
        elif headers:
            symbols = np.frombuffer(part.text.translate(SYMBOLS, BLANKS), dtype=np.uint8)
            if symbols.size == 0:
                continue
            if symbols.max() >= refused_from:
                raise _bad_letter(path, record, part, refused_from)
            n_bases += symbols.size
            several = int(np.count_nonzero(symbols & AMBIGUOUS)) if refused_from == ILLEGAL else 0
            yield Piece(record, symbols & 7, (symbols & LOWER) != 0, several)
        elif part.text.strip():
            raise _not_fasta(path, part)
    if not headers:
        raise empty(path, "Give a genome file, such as FASTA, which begins with '>'.")
    _require_bases(path, headers, record, n_bases)


def chunks_of(file: BufferedIOBase) -> Iterator[bytes]:
    """The bytes of a file, cut at line ends except within very long lines; without a byte order mark at its start."""
    is_first = True
    while chunk := file.read(CHUNK_BYTES) + file.readline(MAX_HEADER_BYTES):
        yield chunk.removeprefix(codecs.BOM_UTF8) if is_first else chunk
        is_first = False


@contextlib.contextmanager
def opened(path: Path) -> Iterator[BufferedIOBase]:
    """A genome file, unpacked if it is gzip or bgzip. Raises DataError if it cannot be read, now or later."""
    require_file(path)
    try:
        with _open(path) as file:
            yield file
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"{named(path)}: the gzip data is cut short or damaged ({error}). Download or compress the file again."
        ) from error
    except OSError as error:
        raise DataError(
            f"{named(path)}: the file cannot be read ({error.strerror}). Check the file and its permissions."
        ) from error


@contextlib.contextmanager
def _open(path: Path) -> Iterator[BufferedIOBase]:
    """The file, unpacked if its first bytes are those of gzip."""
    advice = "Unpack it first: plain, gzip and bgzip files can be read."
    with reading(path) as file:
        require_bgzip_end(file, path)
        with unpacked(file, named(path), advice) as content:
            yield content


def parts_of(file: BufferedIOBase, _: Path | None = None) -> Iterator[Part]:
    """Cut an open FASTA file into header lines and stretches of sequence lines."""
    line, at_line_start = 1, True
    for chunk in chunks_of(file):
        at = 0
        while at < len(chunk):
            is_header = chunk[at] == ord(">") and (at > 0 or at_line_start)
            stop = (chunk.find(b"\n", at) + 1 or len(chunk)) if is_header else _next_header(chunk, at)
            text = chunk[at:stop]
            yield Part(is_header, text, line)
            line += _lines_in(text)
            at = stop
        at_line_start = chunk.endswith(b"\n")


def _lines_in(text: bytes) -> int:
    """The number of line ends; numpy counts them faster, but is slow to start."""
    if len(text) < SHORT_BYTES:
        return text.count(b"\n")
    return int(np.count_nonzero(np.frombuffer(text, dtype=np.uint8) == NEWLINE))


def _next_header(chunk: bytes, at: int) -> int:
    """Where the first > that begins a line is, else the chunk's end; one byte is found faster than two."""
    found = chunk.find(b">", at)
    while found == 0 or (found > 0 and chunk[found - 1] != NEWLINE):
        found = chunk.find(b">", found + 1)
    return found if found > 0 else len(chunk)


def _record_name(path: Path, part: Part) -> str:
    """The first word of a header line."""
    text = part.text.rstrip(b"\r\n")
    if len(text) >= MAX_HEADER_BYTES or b"\r" in text:
        raise DataError(
            f"{part.where(path)}: the header does not end where a line should. "
            "Line ends must be LF or CR LF, and a header shorter than 64 KiB."
        )
    words = text[1:].split(maxsplit=1)
    if not words:
        raise DataError(f"{part.where(path)}: a record without a name. Write a name after the '>'.")
    return words[0].decode("utf-8", errors="replace")


def _require_bases(path: Path, headers: dict[str, Part], record: str, n_bases: int) -> None:
    if record and n_bases == 0:
        raise DataError(
            f"{headers[record].where(path)}: record {shown(record)} has no bases. "
            "Remove it, or check whether the file was cut short."
        )


def _same_name(path: Path, record: str, first: Part, again: Part) -> DataError:
    before = f", first on line {first.line}" if first.line else ""
    return DataError(
        f"{again.where(path)}: record {shown(record)} appears twice{before}. Give each record a unique name "
        "(the first word after '>')."
    )


def _bad_letter(path: Path, record: str, part: Part, refused_from: int) -> DataError:
    """Name the first letter whose symbol is `refused_from` or above, and its line."""
    symbols = np.frombuffer(part.text.translate(SYMBOLS), dtype=np.uint8)
    at = int(np.flatnonzero(symbols >= refused_from)[0])
    line = part.line and part.line + part.text.count(b"\n", 0, at)
    letter = part.text[at : at + 1].decode("ascii", errors="backslashreplace")
    where = f"{part._replace(line=line).where(path)}, record {shown(record)}"
    if letter == ">":
        return DataError(
            f"{where}: a '>' inside the line: the file joined before lacks its last newline. Put one before the '>'."
        )
    protein = set(PROTEIN_ONLY) & set(part.text.upper())
    if len(protein) > 1:  # a single one may be a typo
        found = ", ".join(map(chr, sorted(protein)))
        return DataError(f"{where}: this looks like protein (letters {found}). Give nucleotide sequences.")
    if symbols[at] >= ILLEGAL:
        return DataError(f"{where}: {letter!r} is not a nucleotide letter (IUPAC). Remove or replace it.")
    return DataError(f"{where}: {letter!r} is not one of A C G T N. Pass --ambiguous n to read such letters as N.")


def _not_fasta(path: Path, part: Part) -> DataError:
    """The error for a file whose first text is not a header."""
    name, text = named(path), part.text.lstrip()
    line = part.line + part.text[: len(part.text) - len(text)].count(b"\n")
    if text[257:262] == b"ustar":
        return DataError(f"{name}: this is a tar archive. Unpack it and name the files that were in it.")
    if text.startswith(b"@"):
        return DataError(f"{name}, line {line}: not FASTA but FASTQ or SAM. Convert it: FASTA records begin with '>'.")
    found = text[:20].decode("utf-8", errors="backslashreplace")
    return DataError(f"{name}, line {line}: not FASTA: expected a line that begins with '>', found {found!r}.")
