"""bgzip in, its content out: gzip in independent blocks of up to 64 KiB, inflated by several threads.

The layout is that of the SAM specification, section 4.1: the header of each block states the block's length.
"""

import gzip
import io
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from io import BufferedIOBase, BufferedReader

from genomask.machine.process import usable_cores
from genomask.machine.threads import in_order

BGZIP_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
"""The empty block that closes every whole bgzip file."""
HEADER_BYTES = 18
MOST_CONTENT = 1 << 16
"""Bytes of an inflated block; without this bound one of 64 KiB could become 64 MiB, and a zip bomb any number."""
MOST_THREADS = 4
"""One inflates faster than a genome is read."""
BLOCKS_AT_ONCE = 32
"""Blocks that a thread inflates: 2 MiB of content."""

Block = tuple[int, bytes]
"""Its place in the file, and its bytes."""


def is_bgzip(start: bytes) -> bool:
    """By the first bytes of a file, or of a block: gzip with an extra field BC, which only bgzip writes."""
    return start[:4] == b"\x1f\x8b\x08\x04" and start[10:16] == b"\x06\0BC\x02\0"


@contextmanager
def bgzip_content(file: BufferedIOBase) -> Iterator[BufferedReader]:
    """The content of an open bgzip file.

    Reading one that is cut short or damaged raises EOFError or zlib.error, with the place of the block.
    """
    threads = min(MOST_THREADS, usable_cores())
    pool = ThreadPoolExecutor(threads, thread_name_prefix="bgzip")
    try:
        yield BufferedReader(_Joined(in_order(pool, _inflated, _several(file), threads)), 1 << 21)
    finally:
        pool.shutdown(cancel_futures=True)


class _Joined(io.RawIOBase):
    """The bytes that an iterator gives, end to end."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts, self._rest = parts, memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # as BufferedReader calls it
        while not self._rest:
            part = next(self._parts, None)
            if part is None:
                return 0
            self._rest = memoryview(part)
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count


def _several(file: BufferedIOBase) -> Iterator[list[Block]]:
    blocks, at = [], 0
    while header := file.read(HEADER_BYTES):
        if not is_bgzip(header):
            raise zlib.error(f"no block of bgzip at byte {at + 1:,}")
        size = int.from_bytes(header[16:18], "little") + 1
        block = header + file.read(max(0, size - HEADER_BYTES))
        if len(block) < size:
            raise EOFError(f"the file ends within the block at byte {at + 1:,}")
        blocks.append((at, block))
        at += size
        if len(blocks) == BLOCKS_AT_ONCE:
            yield blocks
            blocks = []
    yield blocks


def _inflated(blocks: list[Block]) -> bytes:
    """All in one call, since each takes the interpreter's lock; if it fails, one by one, to find the damaged one."""
    from isal import igzip, isal_zlib  # not above: nothing but compressed files needs it

    damage: tuple[type[Exception], ...] = (isal_zlib.error, EOFError, gzip.BadGzipFile)  # type: ignore[assignment]
    sizes = [int.from_bytes(block[-4:], "little") for _, block in blocks]
    if max(sizes, default=0) <= MOST_CONTENT:
        with igzip.open(io.BytesIO(b"".join(block for _, block in blocks))) as file, suppress(*damage):
            content: bytes = file.read(sum(sizes) + 1)  # reading beyond the last byte checks the checksum
            if len(content) == sum(sizes):
                return content
    return b"".join(_alone(*block) for block in blocks)


def _alone(at: int, block: bytes) -> bytes:
    from isal import isal_zlib

    inflater = isal_zlib.decompressobj(wbits=31)
    try:
        content: bytes = inflater.decompress(block, MOST_CONTENT + 1)
    except isal_zlib.error as error:  # type: ignore[misc]  # a class, whatever its stub says
        raise zlib.error(f"in the block at byte {at + 1:,}: {error}") from error
    if len(content) > MOST_CONTENT:
        raise zlib.error(f"in the block at byte {at + 1:,}: more than {MOST_CONTENT:,} bytes, which bgzip never writes")
    if not inflater.eof:
        raise zlib.error(f"in the block at byte {at + 1:,}: it has no end")
    return content
