import gzip
import io
import types

import numpy as np
import pytest
from Bio import bgzf
from hypothesis import given, settings
from hypothesis import strategies as st

from genomask.data import lines
from genomask.data.lines import numbered_lines
from genomask.errors import DataError
from genomask.files.inputs import STDIN

LINE = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0\ufeff"), max_size=6)
TEXT = st.lists(LINE, min_size=1, max_size=8)


@settings(max_examples=25)
@given(TEXT, st.sampled_from(["\n", "\r\n", "\r"]), st.integers(1, 5), st.booleans())
def test_numbered_lines_do_not_depend_on_line_ends_or_chunks(tmp_path_factory, rows, end, chunk, packed):
    path = tmp_path_factory.mktemp("lines") / "a.txt"
    content = "".join(row + end for row in rows).encode()
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "READ_BYTES", chunk)
        assert list(numbered_lines(path)) == list(enumerate(rows, 1))


def test_byte_order_marks_are_left_out_where_a_line_begins(tmp_path):
    (tmp_path / "a.txt").write_bytes("\ufeffa\n\ufeffb\ufeff\n\ufeffc".encode())
    assert list(numbered_lines(tmp_path / "a.txt")) == [(1, "a"), (2, "b\ufeff"), (3, "c")]


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "the file is empty"), (b"a\n\xff\n", "line 2: not UTF-8 text"), (b"a\0\n", "line 1: .*a NUL byte"),
     (gzip.compress(b"a\nb\n" * 99, mtime=0)[:-9], "cut short or damaged")],
)  # fmt: skip
def test_a_file_that_is_not_text_is_one_clear_error(tmp_path, content, said):
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(DataError, match=said):
        list(numbered_lines(tmp_path / "a.txt"))


def test_a_line_that_is_too_long_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "LONGEST_LINE", 10)
    monkeypatch.setattr(lines, "READ_BYTES", 4)
    (tmp_path / "a.txt").write_bytes(b"short\n" + 20 * b"A")
    with pytest.raises(DataError, match="line 2: longer than"):
        list(numbered_lines(tmp_path / "a.txt"))


def test_a_cut_within_the_first_line_is_reported_as_before_its_end(tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"a\nb\n", mtime=0)[:-9])
    with pytest.raises(DataError, match="cut short or damaged before the end of its first line"):
        list(numbered_lines(tmp_path / "a.gz"))


@pytest.mark.parametrize(
    ("content", "said"),
    [(gzip.compress(b"a\n" * 99, mtime=0)[:-9], ": the gzip data is cut short"), (b"a\n\xff\n", ", line 2: not UTF-8"),
     (b"BZh", ": this is compressed with bzip2")],
)  # fmt: skip
def test_errors_name_standard_input(monkeypatch, content, said):
    monkeypatch.setattr("sys.stdin", types.SimpleNamespace(buffer=io.BufferedReader(io.BytesIO(content))))
    with pytest.raises(DataError, match=f"^standard input{said}"):
        list(numbered_lines(STDIN))


def test_lines_before_a_cut_are_read(tmp_path):
    rows = [bytes(row).hex() for row in np.random.default_rng(0).integers(0, 256, (4_000, 20), dtype=np.uint8)]
    whole = gzip.compress("\n".join(rows).encode())
    (tmp_path / "a.gz").write_bytes(whole[: len(whole) // 2])
    found = []
    with pytest.raises(DataError, match="the gzip data is cut short or damaged after line "):
        found.extend(line for _, line in numbered_lines(tmp_path / "a.gz"))
    assert found == rows[: len(found)]
    assert len(found) > 2_000 - 2 * lines.READ_BYTES / 41


def test_bgzip_cut_between_two_blocks_is_not_taken_for_whole(tmp_path):
    with bgzf.open(tmp_path / "a.gz", "wb") as file:
        file.write(b"chr1\t1\t9\n" * 20_000)
    whole = (tmp_path / "a.gz").read_bytes()
    size = int.from_bytes(whole[16:18], "little") + 1
    for cut in (size, len(whole) - 28):
        (tmp_path / "a.gz").write_bytes(whole[:cut])
        with pytest.raises(DataError, match="cut short \\(its end block is missing"):
            list(numbered_lines(tmp_path / "a.gz"))
