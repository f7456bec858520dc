"""Plain, gzip or bgzip (by ISA-L), by the first bytes of a file, whatever its name; other formats are refused."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedIOBase, BufferedReader
from pathlib import Path

from genomask.errors import DataError
from genomask.files.bgzip import BGZIP_END, HEADER_BYTES, bgzip_content, is_bgzip
from genomask.files.inputs import STDIN

GZIP = b"\x1f\x8b"
FOREIGN_FORMATS = {
    b"PK\x03\x04": "a zip archive",
    b"BZh": "compressed with bzip2",
    b"\xfd7zXZ\x00": "compressed with xz",
    b"\x28\xb5\x2f\xfd": "compressed with zstd",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"\x04\x22\x4d\x18": "compressed with lz4",
}
"""First bytes -> what such a file is, of formats that are not read."""


@contextmanager
def unpacked(file: BufferedReader, name: str, advice: str) -> Iterator[BufferedIOBase]:
    """The content of an open file, which need not be seekable. Raises DataError, with `advice`, for another format.

    Reading gzip data that is cut short or damaged raises EOFError, zlib.error or gzip.BadGzipFile.
    """
    start = file.peek(HEADER_BYTES)
    for magic, what in FOREIGN_FORMATS.items():
        if start.startswith(magic):
            raise DataError(f"{name}: this is {what}. {advice}")
    if is_bgzip(start):
        with bgzip_content(file) as content:
            yield content
    elif start.startswith(GZIP):
        from isal import igzip, isal_zlib  # not above: nothing but compressed files needs it

        try:
            with igzip.open(file) as content:
                yield content
        except isal_zlib.error as error:  # type: ignore[misc]  # a class, whatever its stub says
            raise zlib.error(str(error)) from error
    else:
        yield file


def require_bgzip_end(file: BufferedReader, path: Path) -> None:
    """Raises DataError for a bgzip file without its end block: cut between two blocks, it unpacks without an error.

    Standard input, which may be a pipe, is not checked.
    """
    if path == STDIN or not is_bgzip(file.peek(HEADER_BYTES)):
        return
    file.seek(max(0, file.seek(0, 2) - len(BGZIP_END)))
    if file.read() != BGZIP_END:
        raise DataError(
            f"{path}: the bgzip data is cut short (its end block is missing). Download it again, or, "
            "if you are sure that it is whole, unpack it with gunzip and give the plain file."
        )
    file.seek(0)
