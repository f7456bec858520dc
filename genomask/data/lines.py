"""Text files in, numbered lines out: plain or gzip by the first bytes, with a message for each kind of bad file.

A line ends in LF, CR LF or CR; a file may mix them.
"""

import codecs
import gzip
import zlib
from collections.abc import Iterator
from io import BufferedIOBase
from pathlib import Path

from genomask.errors import DataError
from genomask.files.inputs import empty, named, reading, require_file
from genomask.files.unpacked import require_bgzip_end, unpacked

READ_BYTES = 1 << 14
"""Bytes read at once, and so the most that is lost before the cut in gzip that is cut short."""
LONGEST_LINE = 1 << 26
"""Bytes. It bounds memory: a few megabytes of gzip may hold a line of gigabytes."""


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Each line of a UTF-8 file with its number, from 1, without its end and without byte order marks at its start.

    Raises DataError for a file that is absent, empty, not text, has a line of over 64 MiB, or whose gzip data is cut
    short or damaged.
    """
    name = named(path)
    for number, line in numbered_bytes(path):
        yield number, decoded(line.rstrip(b"\r\n"), f"{name}, line {number}")


def numbered_bytes(path: Path) -> Iterator[tuple[int, bytes]]:
    """Each line with its end, unchanged but for such marks; DataError as above, except for what is not text."""
    require_file(path)
    number = 0
    try:
        for number, line in enumerate(_byte_lines(path), 1):
            yield number, line
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        place = f"after line {number}" if number else "before the end of its first line"
        raise DataError(
            f"{named(path)}: the gzip data is cut short or damaged {place}. Download or compress the file again."
        ) from error
    except OSError as error:
        raise DataError(
            f"{named(path)}: the file cannot be read ({error.strerror}). Check the file and its permissions."
        ) from error
    if number == 0:
        raise empty(path, "Give a file with content.")


def decoded(line: bytes, where: str) -> str:
    """The text of a line; DataError, with `where`, for one that is not UTF-8."""
    try:
        if b"\0" not in line:  # UTF-16 has them
            return line.decode("utf-8")
        reason = "a NUL byte"
    except UnicodeDecodeError as error:
        reason = error.reason
    raise DataError(f"{where}: not UTF-8 text ({reason}). Give a text file, plain or gzip, in UTF-8.")


def _byte_lines(path: Path) -> Iterator[bytes]:
    advice = "Unpack it first: plain and gzip files can be read."
    with reading(path) as file:
        require_bgzip_end(file, path)
        with unpacked(file, named(path), advice) as content:
            yield from split_lines(path, content)


def split_lines(path: Path, file: BufferedIOBase) -> Iterator[bytes]:
    """The lines of an open file, each with its end; DataError before one of gigabytes is read whole.

    Byte order marks are removed at the start of any line: joined files have them inside.
    """
    number, parts, size = 0, [], 0
    while chunk := file.read1(READ_BYTES):
        parts.append(chunk)
        size += len(chunk)
        if b"\n" in chunk or b"\r" in chunk:
            *lines, rest = b"".join(parts).splitlines(keepends=True)  # the last may go on: an LF may follow its CR
            number += len(lines)
            yield from map(_without_mark, lines)
            parts, size = [rest], len(rest)
        if size > LONGEST_LINE:
            raise DataError(
                f"{named(path)}, line {number + 1}: longer than {LONGEST_LINE >> 20} MiB. Is it the right "
                "file? If so, write it with shorter lines."
            )
    yield from map(_without_mark, b"".join(parts).splitlines(keepends=True))


def _without_mark(line: bytes) -> bytes:
    return line.removeprefix(codecs.BOM_UTF8)
