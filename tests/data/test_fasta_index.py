import gzip
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genomask.data import Genome, fasta, fasta_index
from genomask.data.fasta_index import read_part
from genomask.errors import DataError, SettingsError
from genomask.files.bgzip import BGZIP_END

RECORDS = {"chr1": "ACGTNacgtn" * 30, "chr:2": "GATTACA" * 9}


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("GENOMASK_CACHE", str(folder))
    return folder


def written(folder, records=RECORDS, width=60, name="g.fa", pack=bytes):
    lines = []
    for record, letters in records.items():
        lines += [f">{record} about it", *(letters[at : at + width] for at in range(0, len(letters), width))]
    path = folder / name
    path.write_bytes(pack(("\n".join(lines) + "\n").encode()))
    return path


def bgzip(data):
    """One bgzip block, then the empty end block."""
    member = gzip.compress(data)
    extra = b"\x06\x00BC\x02\x00" + (len(member) + 7).to_bytes(2, "little")
    return member[:3] + b"\x04" + member[4:10] + extra + member[10:] + BGZIP_END


@pytest.fixture
def unread(monkeypatch):
    """Make reading the whole genome fail."""

    def refuse(*_, **__):
        raise AssertionError("the genome was read whole")

    monkeypatch.setattr(Genome, "open", refuse)


@settings(deadline=None, max_examples=25)
@given(first=st.integers(1, 300), size=st.integers(1, 300), width=st.integers(1, 80))
def test_any_part_holds_the_letters_asked_for_whatever_the_line_width(tmp_path_factory, first, size, width):
    last = min(first + size, 300)
    part = read_part(written(tmp_path_factory.mktemp("fasta"), width=width), f"chr1:{first:,}-{last}")
    expected = ["ACGTN".index(letter) for letter in RECORDS["chr1"][first - 1 : last].upper()]
    assert (part.record, part.start, part.codes.tolist()) == ("chr1", first - 1, expected)


@pytest.mark.parametrize(("name", "pack"), [("g.fa", bytes), ("g.fa.gz", bgzip)])
def test_a_part_is_read_with_a_cached_index_and_nothing_is_written_beside_the_file(tmp_path, unread, cache, name, pack):
    path = written(tmp_path, name=name, pack=pack)
    for _ in range(2):
        assert read_part(path, "chr:2:3-7").codes.tolist() == [3, 3, 0, 1, 0]
    assert read_part(path, "chr:2").codes.size == 63
    assert os.listdir(tmp_path) == [name]
    assert len(list((cache / "indexes").iterdir())) == 1


def test_an_index_beside_the_file_is_used_unless_it_is_older(tmp_path, unread, cache):
    path, index = written(tmp_path, {"a": "ACGTACGTAC"}), tmp_path / "g.fa.fai"
    index.write_text("renamed\t10\t12\t60\t61\n")
    assert read_part(path, "renamed:1-4").codes.tolist() == [0, 1, 2, 3]
    assert not list(cache.iterdir())
    os.utime(index, (1, 1))
    assert read_part(path, "a:1-4").codes.tolist() == [0, 1, 2, 3]
    assert index.read_text().startswith("renamed")  # someone else's file, left as it is


@pytest.mark.parametrize("fai", ["a\t900\t12\t60\t61\n", "a\t10\t2\t60\t61\n", "a\tx\t12\t60\t61\n", "a\n", "\n"])
def test_an_index_of_another_file_is_refused(tmp_path, fai):
    path = written(tmp_path, {"a": "ACGTACGTAC"})
    (tmp_path / "g.fa.fai").write_text(fai)
    with pytest.raises((DataError, SettingsError)):
        read_part(path, "a:1-900" if "900" in fai else "a:1-10")


@pytest.mark.parametrize(
    "content",
    [
        b">a\nAC\nGTACG\nTAC\n",
        gzip.compress(b">a\nACGTACGTAC\n", mtime=0),
        b"LOCUS       a\nORIGIN\n 1 acgtacgtac\n//\n",
    ],
)
@pytest.mark.parametrize("name", ["g.fa", "g.gz"])
def test_a_file_that_cannot_be_indexed_is_read_whole(tmp_path, caplog, content, name):
    caplog.set_level("INFO")
    (tmp_path / name).write_bytes(content)
    assert np.array_equal(read_part(tmp_path / name, "a:2-4").codes, [1, 2, 3])
    assert "so it is read whole" in caplog.text


def test_every_record_is_found_in_a_file_that_is_read_whole(tmp_path):
    (tmp_path / "g.fa").write_bytes(b">a\nAC\nGTACG\nTAC\n>b\nTTG\n>c\nA\n")
    found = [read_part(tmp_path / "g.fa", region) for region in ("a", "b", "b:1-2", "b:3-3", "c")]
    assert [(part.record, part.start, len(part.codes)) for part in found] == [
        ("a", 0, 10), ("b", 0, 3), ("b", 0, 2), ("b", 2, 1), ("c", 0, 1)
    ]  # fmt: skip


@pytest.mark.parametrize(
    "lines",
    [
        "ACGTACGT \nGATTACAG \nCC \n",
        "ACGTACGT\nGATTACAGCC\n",
        "ACGTACGT\r\nGATTACAGC\nC\n",
        "ACGT AC\nGTGATTA\nCAGCC\n",
    ],
)
@pytest.mark.parametrize("behind", ["", ">b\nACGT\n"])
def test_lines_that_no_index_can_describe_are_read_correctly(tmp_path, lines, behind):
    (tmp_path / "g.fa").write_bytes(f">a\n{lines}{behind}".encode())
    expected = ["ACGTN".index(letter) for letter in "ACGTACGTGATTACAGCC"]
    for first in range(1, 19):
        assert read_part(tmp_path / "g.fa", f"a:{first}-18").codes.tolist() == expected[first - 1 :]


@settings(deadline=None, max_examples=50)
@given(
    width=st.integers(1, 9), n=st.integers(1, 40), end=st.sampled_from(["\n", "\r\n"]),
    closed=st.booleans(), chunk=st.integers(1, 30),
)  # fmt: skip
def test_lines_of_equal_length_are_indexed_wherever_chunks_of_the_file_end(
    tmp_path_factory, width, n, end, closed, chunk
):
    path, letters = tmp_path_factory.mktemp("fasta") / "g.fa", ("ACGTN" * 8)[:n]
    lines = end.join(letters[at : at + width] for at in range(0, n, width))
    path.write_bytes(f">a{end}{lines}{end}>b{end}{lines}{end if closed else ''}".encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fasta, "CHUNK_BYTES", chunk)
        patch.setattr(fasta, "MAX_HEADER_BYTES", 64)
        patch.setattr(Genome, "open", None)  # reading the whole genome fails
        assert read_part(path, "b").codes.tolist() == ["ACGTN".index(letter) for letter in letters]


def test_a_cached_index_that_does_not_fit_means_reading_the_whole_file(tmp_path, cache, caplog):
    caplog.set_level("INFO")
    path = written(tmp_path, {"a": "ACGTACGTAC"})
    read_part(path, "a")
    (folder,) = (cache / "indexes").iterdir()
    for fai in ("a\n", "a\t10\t15\t60\t61\n"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(fasta_index, "sealed_folder", lambda *_: None)
            (folder / "index.fai").write_text(fai)
            assert read_part(path, "a:2-10").codes.tolist() == [1, 2, 3, 0, 1, 2, 3, 0, 1]
    assert caplog.text.count("so it is read whole") == 2


@pytest.mark.parametrize("cut", [28, 29, 40])
def test_truncated_bgzip_is_refused_and_no_index_is_cached(tmp_path, cache, cut):
    path = written(tmp_path, name="g.fa.gz", pack=bgzip)
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(DataError, match=r"g\.fa\.gz: the bgzip data is cut short"):
        read_part(path, "chr1:1-4")
    assert not list(cache.iterdir())


def test_damage_after_the_part_is_named_before_an_index_is_made(tmp_path, cache):
    (tmp_path / "g.fa").write_bytes(b">a\nACGTACGT\nACGT>b\nACGT\n")
    for _ in range(2):
        with pytest.raises(DataError, match=r"g\.fa, line 3, record a: a '>' inside the line"):
            read_part(tmp_path / "g.fa", "a:1-4")
    assert not list((cache / "indexes").iterdir())


def test_a_file_that_pyfaidx_gives_up_on_is_one_clear_error(tmp_path):
    (tmp_path / "g.fa").write_bytes(b">a\n\n\n>\n\n")
    with pytest.raises(DataError, match=r"g\.fa"):
        read_part(tmp_path / "g.fa", "a:1-1")


def test_missing_records_missing_parts_and_ambiguous_letters_are_reported(tmp_path):
    path = written(tmp_path)
    with pytest.raises(SettingsError, match=r"no record 'chr3'\. Its records are: chr1, chr:2"):
        read_part(path, "chr3:1-2")
    with pytest.raises(SettingsError, match="'chr1:299-301' is not a part of record chr1, which has bases 1-300"):
        read_part(path, "chr1:299-301")
    with pytest.raises(DataError, match=r"record a: 'R' is not one of A C G T N"):
        read_part(written(tmp_path, {"a": "ACGR"}), "a")
    assert read_part(written(tmp_path, {"a": "ACGR"}), "a", "n").codes.tolist() == [0, 1, 2, 4]
