"""Text files in, numbered lines out: plain or gzip by the first bytes, and a sentence for each kind of bad file."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

from genomask.data.fasta import FOREIGN_FORMATS
from genomask.errors import DataError
from genomask.inputs import require_file


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Each line of a UTF-8 file with its number, from 1; line ends are kept, a byte order mark is not.

    Raises DataError for a file that is absent, empty, not text, or whose gzip data is cut short or damaged.
    """
    require_file(path)
    number = 0
    try:
        for number, line in enumerate(_byte_lines(path), 1):
            yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}, line {number}: not UTF-8 text. Give a text file, plain or gzip, in UTF-8.") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"{path}: the gzip data is cut short or damaged after line {number}. Download or compress the file again."
        ) from error
    except OSError as error:
        raise DataError(
            f"{path}: the file cannot be read ({error.strerror}). Check the file and its rights."
        ) from error
    if number == 0:
        raise DataError(f"{path}: the file is empty. Give a file with content.")


def _byte_lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        start = file.read(8)
        for magic, what in FOREIGN_FORMATS.items():
            if start.startswith(magic):
                raise DataError(f"{path}: this is {what}. Unpack it first; plain and gzip files are read.")
        file.seek(0)
        if start.startswith(b"\x1f\x8b"):
            with gzip.open(file) as unpacked:
                yield from unpacked
        else:
            yield from file
