import bz2
import gzip
import io
import lzma
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genomask.data import fasta
from genomask.data.fasta import read_fasta
from genomask.errors import DataError, SettingsError
from genomask.files.bgzip import BGZIP_END

CODES = {"A": 0, "C": 1, "G": 2, "T": 3, "U": 3}


def plain_parse(text):
    """The obvious reader: {record: (codes, soft_masked)} line by line."""
    records = {}
    for line in text.splitlines():
        if line.startswith(">"):
            codes, lower = records.setdefault(line[1:].split()[0], ([], []))
        else:
            codes += [CODES.get(letter, 4) for letter in line.strip().upper()]
            lower += [letter.islower() for letter in line.strip()]
    return records


def parse(path, ambiguous="error"):
    records = {}
    for piece in read_fasta(path, ambiguous):
        codes, lower = records.setdefault(piece.record, ([], []))
        codes += piece.codes.tolist()
        lower += piece.soft_masked.tolist()
    return records


def bgzip(data, block=50):
    """bgzip's layout: gzip members with a BC field, then the empty one."""
    out = b""
    for at in range(0, len(data), block):
        member = gzip.compress(data[at : at + block])
        size = len(member) + 8
        extra = b"\x06\x00BC\x02\x00" + (size - 1).to_bytes(2, "little")
        out += member[:3] + b"\x04" + member[4:10] + extra + member[10:]
    return out + BGZIP_END


def written(tmp_path, content, name="genome.fa"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def message(path, ambiguous="error"):
    with pytest.raises(DataError) as caught:
        list(read_fasta(path, ambiguous))
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(path))
    return str(caught.value).removeprefix(str(path))


records = st.lists(st.text("ACGTNacgtnUu", min_size=1, max_size=60), min_size=1, max_size=5)


@settings(deadline=None, max_examples=150)
@given(
    sequences=records,
    width=st.integers(1, 70),
    chunk=st.integers(1, 64),
    crlf=st.booleans(),
    blank=st.booleans(),
    end=st.booleans(),
    pack=st.sampled_from([bytes, gzip.compress, bgzip]),
)
def test_any_layout_in_any_chunks_reads_as_the_plain_reader_reads_it(
    tmp_path_factory, sequences, width, chunk, crlf, blank, end, pack
):
    lines = []
    for number, sequence in enumerate(sequences):
        lines += [f">r{number} words > and more", *(sequence[at : at + width] for at in range(0, len(sequence), width))]
        lines += [""] * blank
    text = "\n".join(lines) + "\n" * end
    path = written(tmp_path_factory.mktemp("fasta"), pack(text.replace("\n", "\r\n" if crlf else "\n").encode()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fasta, "CHUNK_BYTES", chunk)
        patch.setattr(fasta, "MAX_HEADER_BYTES", 40)  # long lines are then cut within the line
        assert parse(path) == plain_parse(text)


def test_a_record_on_one_long_line_comes_in_pieces_of_bounded_size(tmp_path, monkeypatch):
    monkeypatch.setattr(fasta, "CHUNK_BYTES", 1000)
    monkeypatch.setattr(fasta, "MAX_HEADER_BYTES", 100)
    path = written(tmp_path, ">one\n" + "ACGTN" * 2000)
    pieces = list(read_fasta(path))
    assert max(piece.codes.size for piece in pieces) <= 1100
    assert np.concatenate([piece.codes for piece in pieces]).tolist() == [0, 1, 2, 3, 4] * 2000


def test_leading_blank_lines_and_a_byte_order_mark_are_passed_over(tmp_path):
    assert parse(written(tmp_path, b"\xef\xbb\xbf>a\nAC\n")) == {"a": ([0, 1], [False, False])}
    assert parse(written(tmp_path, b"\n \r\n>a\nAC\n")) == {"a": ([0, 1], [False, False])}


def test_the_kind_of_file_is_known_by_content_not_by_name(tmp_path):
    expected = {"a": ([0, 1, 2, 3], [False] * 4)}
    assert parse(written(tmp_path, b">a\nACGT\n", "plain.fa.gz")) == expected
    assert parse(written(tmp_path, gzip.compress(b">a\nACGT\n"), "packed.fa")) == expected
    two_members = gzip.compress(b">a\nAC") + gzip.compress(b"GT\n")
    assert parse(written(tmp_path, two_members, "two.gz")) == expected


def test_ambiguous_letters_are_refused_by_default_and_read_as_n_on_request(tmp_path):
    path = written(tmp_path, ">chr1 x\nACGT\nAC\n\n>chr2\r\nACG\r\nACrT\r\n")
    assert message(path) == (
        ", line 7, record chr2: 'r' is not one of A C G T N. Pass --ambiguous n to read such letters as N."
    )
    assert parse(path, "n")["chr2"] == ([0, 1, 2, 0, 1, 4, 3], [False] * 5 + [True, False])
    everything = written(tmp_path, ">all\nRYSWKMBDHVryswkmbdhvN\n")
    assert parse(everything, "n")["all"][0] == [4] * 21


@pytest.mark.parametrize("letter", ["J", "*", "-", "1", "é", "\0"])
@pytest.mark.parametrize("ambiguous", ["error", "n"])
def test_letters_outside_iupac_are_refused_with_file_record_and_line(tmp_path, monkeypatch, letter, ambiguous):
    monkeypatch.setattr(fasta, "CHUNK_BYTES", 8)
    path = written(tmp_path, f">a\nACGT\nNNNN\nACGT\n>b\nACGT\nAC{letter}T\n")
    said = message(path, ambiguous)
    assert said.startswith(", line 7, record b: ")
    assert "not a nucleotide letter" in said


def test_the_first_bad_letter_is_the_one_named(tmp_path):
    assert "line 2, record a: 'R'" in message(written(tmp_path, ">a\nACR\nJ\n"))
    assert "line 3, record a: 'J'" in message(written(tmp_path, ">a\nACR\nJ\n"), "n")


@pytest.mark.parametrize("ambiguous", ["error", "n"])
def test_protein_is_called_protein(tmp_path, ambiguous):
    said = message(written(tmp_path, ">p\nMRSTVLAA\nDGEKKLPFI\n"), ambiguous)
    assert "record p: this looks like protein (letters E, F, I, L, P)" in said
    assert "line 2, record a: 'L' is not a nucleotide letter" in message(written(tmp_path, ">a\nACLGT\n"), ambiguous)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "the file is empty"),
        (b"\n\n", "the file is empty"),
        (gzip.compress(b"", mtime=0), "the file is empty"),  # mtime: the test's id must not depend on the clock
        (b"ACGT\n>a\nACGT\n", "line 1: not FASTA: expected a line that begins with '>', found 'ACGT"),
        (b"\n\nLOCUS  SCU49845\n", "line 3: not FASTA"),
        (b"@read1\nACGT\n+\nIIII\n", "line 1: not FASTA but FASTQ"),
        (b"\x00\x01\x02\x03" * 10, "not FASTA"),
        (b" >a\nACGT\n", "not FASTA"),
        (b"x.fa".ljust(257, b"\0") + b"ustar\0".ljust(255, b"\0") + b">a\nACGT\n", "this is a tar archive"),
        (b">a\nACGT\n>b\nAC\n>a extra\nGG\n", "line 5: record a appears twice, first on line 1"),
        (b">a\nACGT\n>b\n\n>c\nAC\n", "line 3: record b has no bases"),
        (b">a\nACGT\n>b\n", "line 3: record b has no bases"),
        (b">a\nACGT\n> \nAC\n", "line 3: a record without a name"),
        (b">a\rACGT\r>b\rACGT\r", "line 1: the header does not end where a line should"),
        (b">" + b"x" * 100_000 + b"\nACGT\n", "line 1: the header does not end where a line should"),
        (bz2.compress(b">a\nACGT\n"), "this is compressed with bzip2"),
        (lzma.compress(b">a\nACGT\n"), "this is compressed with xz"),
        (b"\x28\xb5\x2f\xfd" + bytes(20), "this is compressed with zstd"),
    ],
)
def test_files_that_are_not_valid_fasta_get_a_specific_error(tmp_path, content, sentence):
    assert sentence in message(written(tmp_path, content, "genome.fa.gz"))


def test_a_zip_archive_is_named_as_one(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("genome.fa", ">a\nACGT\n")
    assert "this is a zip archive. Unpack it" in message(written(tmp_path, buffer.getvalue(), "genome.fa.gz"))


def test_missing_files_and_folders_get_a_specific_error(tmp_path):
    assert "no such file" in message(tmp_path / "absent.fa")
    assert "this is a folder" in message(tmp_path)
    assert "not an ordinary file" in message_of_device()


def message_of_device():
    with pytest.raises(DataError) as caught:
        list(read_fasta(fasta.Path("/dev/null")))
    return str(caught.value)


@pytest.mark.parametrize("pack", [gzip.compress, bgzip])
def test_a_truncated_file_is_refused_wherever_it_is_cut(tmp_path, pack):
    whole = pack(b">a\n" + b"ACGT" * 60 + b"\n")
    for n_bytes in range(3, len(whole)):
        said = message(written(tmp_path, whole[:n_bytes]))
        assert "cut short or damaged" in said or "cut short (its end block is missing)" in said


def test_damaged_gzip_data_is_refused(tmp_path):
    whole = bytearray(gzip.compress(bytes(">a\n" + "ACGTTGCA" * 100, "ascii")))
    whole[30] ^= 255
    assert "cut short or damaged" in message(written(tmp_path, bytes(whole)))
    assert "cut short or damaged" in message(written(tmp_path, gzip.compress(b">a\nACGT\n") + b"trailing text"))


def test_files_that_were_joined_without_a_newline_between_are_named(tmp_path):
    said = message(written(tmp_path, ">a\nACGT\nAC\nGA>b\nACGT\n"))
    assert "line 4, record a: a '>' inside the line: the file joined before lacks its last newline" in said


def test_a_piece_of_a_long_line_that_begins_like_a_header_is_not_one(tmp_path, monkeypatch):
    monkeypatch.setattr(fasta, "CHUNK_BYTES", 4)
    monkeypatch.setattr(fasta, "MAX_HEADER_BYTES", 4)
    assert "line 2, record a: a '>' inside the line" in message(written(tmp_path, ">a\nACGTA>CG\nT\n"))


def test_control_characters_of_a_name_are_printed_by_their_codes(tmp_path):
    assert r"record 'a\x1b[2J'" in message(written(tmp_path, ">a\x1b[2J\nACGT\nAC.\n"))


def test_an_unreadable_file_is_reported_with_the_systems_reason(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    path = written(tmp_path, ">a\nACGT\n")
    monkeypatch.setattr(fasta.Path, "open", refuse)
    assert "cannot be read (Permission denied)" in message(path)


def test_an_unknown_policy_for_ambiguous_letters_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="ambiguous must be 'error' or 'n'"):
        list(read_fasta(written(tmp_path, ">a\nAC\n"), "keep"))


def test_a_real_piece_reads_as_the_plain_reader_reads_it(shared_data):
    path = shared_data / "genomes" / "human" / "hg38.chr16_186964-397118.fa.gz"
    assert parse(path) == plain_parse(gzip.decompress(path.read_bytes()).decode())
