"""bgzip: the same bytes with any number of threads, few of them in memory, and the place of any damage."""

import io
import tracemalloc
import zlib

import numpy as np
import pytest
from Bio.bgzf import BgzfWriter

from genomask.files import bgzip
from genomask.files.bgzip import BGZIP_END, bgzip_content, is_bgzip

TEXT = (np.random.default_rng(0).integers(0, 4, 1_500_000, dtype=np.uint8) + 65).tobytes()


@pytest.fixture(scope="module")
def packed():
    out = io.BytesIO()
    out.close = lambda: None
    with BgzfWriter(fileobj=out) as writer:
        writer.write(TEXT)
    return out.getvalue()


def starts(packed):
    """Where each block begins."""
    at, found = 0, []
    while at < len(packed):
        found.append(at)
        at += int.from_bytes(packed[at + 16 : at + 18], "little") + 1
    return found


def content(packed):
    with bgzip_content(io.BytesIO(packed)) as file:
        return file.read()


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_any_number_of_threads_gives_the_same_bytes(packed, monkeypatch, threads):
    monkeypatch.setattr(bgzip, "usable_cores", lambda: threads)
    monkeypatch.setattr(bgzip, "MOST_THREADS", 5)
    monkeypatch.setattr(bgzip, "BLOCKS_AT_ONCE", 3)
    assert content(packed) == TEXT
    assert content(packed + packed) == TEXT + TEXT  # as cat joins two


def test_bgzip_is_distinguished_from_gzip_by_its_header(packed):
    assert is_bgzip(packed)
    assert is_bgzip(BGZIP_END)
    assert not is_bgzip(zlib.compress(TEXT[:99], wbits=31))


def test_no_more_is_read_ahead_than_keeps_the_threads_busy(packed, monkeypatch):
    monkeypatch.setattr(bgzip, "usable_cores", lambda: 2)
    monkeypatch.setattr(bgzip, "BLOCKS_AT_ONCE", 1)
    source = io.BytesIO(packed)
    with bgzip_content(source) as file:
        file.read(1)
        assert source.tell() < 40 * (1 << 16)
        assert source.tell() < len(packed)


@pytest.mark.parametrize("number", [0, 2, 7, -2])
def test_a_damaged_block_is_named_by_its_place(packed, monkeypatch, number):
    monkeypatch.setattr(bgzip, "BLOCKS_AT_ONCE", 3)
    at = starts(packed)[number]
    wrong = bytearray(packed)
    wrong[starts(packed)[number + 1] - 8] ^= 255  # of its checksum
    with pytest.raises(zlib.error, match=f"in the block at byte {at + 1:,}: "):
        content(bytes(wrong))
    torn = bytearray(packed)
    torn[at + 5000] ^= 255
    with pytest.raises(zlib.error, match=f"in the block at byte {at + 1:,}: "):
        content(bytes(torn))
    torn[at] = 0
    with pytest.raises(zlib.error, match=f"no block of bgzip at byte {at + 1:,}"):
        content(bytes(torn))


@pytest.mark.parametrize("said", [40_000_000, 0, 1])
def test_a_block_that_swells_beyond_what_bgzip_writes_is_refused_before_it_is_inflated(packed, said):
    squeezed = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = squeezed.compress(b"A" * 40_000_000) + squeezed.flush()
    tail = zlib.crc32(b"A" * 40_000_000).to_bytes(4, "little") + said.to_bytes(4, "little")
    header = packed[:16] + (18 + len(data) + 8 - 1).to_bytes(2, "little")
    tracemalloc.start()
    with pytest.raises(zlib.error, match="in the block at byte 1: "):
        content(header + data + tail)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000


def test_a_file_that_ends_within_a_block_is_reported_with_the_place(packed):
    at = starts(packed)[5]
    for kept in (1, 17, 18, 500):
        with pytest.raises((EOFError, zlib.error), match=f"at byte {at + 1:,}"):
            content(packed[: at + kept])
