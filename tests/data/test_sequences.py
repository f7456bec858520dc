"""Sequences for a model, from FASTA, tables and regions of a genome, in order and with their names."""

import gzip
import io
import sys

import pytest

from genomask.data.bases import reverse_complement
from genomask.data.sequences import NamedSequence, SequenceFile
from genomask.errors import DataError
from genomask.files.inputs import STDIN

GENOME = ">chr1 first\nACGTACGTAC\nGGGTTTCCCA\n>chr2\nNNACGR\n"


@pytest.fixture
def write(tmp_path):
    def write(text, name="file"):
        path = tmp_path / name
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        return path

    return write


def read(path, **settings):
    return [tuple(sequence) for sequence in SequenceFile(path=path, **settings).read()]


@pytest.mark.parametrize("name", ["genome.fa", "genome.txt", "genome.fa.gz"])
def test_the_records_of_a_fasta_file_are_read(write, name):
    expected = [("chr1", "ACGTACGTACGGGTTTCCCA"), ("chr2", "NNACGN")]
    assert read(write(GENOME, name), ambiguous="n") == expected
    assert read(write("\ufeff\n" + GENOME, name), ambiguous="n") == expected


def test_rows_of_a_table_are_named_by_their_column_or_their_number(write):
    assert read(write("name\tsequence\tlabel\na b\tacgu\t0\n\tRYAC\t1\n")) == [("a b", "ACGT"), ("3", "NNAC")]
    assert read(write('sequence,note\nACG,"a, b"\n\nACG CGT,\n')) == [("2", "ACG"), ("4", "ACGT")]
    assert read(write("sequence\nACG\nTTT\n")) == [("2", "ACG"), ("3", "TTT")]
    assert read(write("name,dna\nx,ACG\n"), column="DNA") == [("x", "ACG")]


def test_a_name_is_one_line_without_tabs(write):
    assert read(write('name,sequence\n"a\tb",ACG\n')) == [("a b", "ACG")]


def test_regions_come_in_the_order_of_the_bed_file_on_their_strand(write):
    regions = (
        "track x\nchr2\t2\t5\tlast\nchr1\t0\t4\nchr1\t0\t4\t.\t0\t-\nchr1\t8\t12\tb\t0\t-\nchr1\t8\t12\tb c\t0\t+\n"
    )
    bed, genome = write(regions, "r.bed"), write(GENOME.replace("R", "N"), "g.fa")
    assert read(bed, genome=(genome,)) == [
        ("last", "ACG"), ("chr1:0-4", "ACGT"), ("chr1:0-4", "ACGT"), ("b", "CCGT"), ("b c", "ACGG"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "packed"), [(GENOME, False), (GENOME, True), ("name,sequence\nx,ACG\n", False), ("sequence\nA\n", True)]
)
def test_standard_input_is_read_like_a_file(text, packed, write, monkeypatch):
    raw = gzip.compress(text.encode()) if packed else text.encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(raw))))
    assert read(STDIN, ambiguous="n") == read(write(text), ambiguous="n")


def test_empty_standard_input_is_refused_by_name(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO())))
    with pytest.raises(DataError, match=r"^standard input is empty\."):
        read(STDIN)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("sequence\tlabel\n", "it contains no sequence"),
        ("chr1\t5\t9\n", "no column 'sequence' among: chr1, 5, 9"),
        ("sequence\nACG\nAC!\n", "row 3: '!' at position 3 is not a letter of DNA"),
        ("hello\n", "neither a tab nor a comma"),
        (">a\nACG\n>a\nACG\n", "line 3: record a appears twice"),
        ("@r\nACG\n+\nIII\n", "not FASTA but FASTQ or SAM"),
        (">a\nACR\n", "--ambiguous n"),
        ("PK\x03\x04xxxx", "a zip archive"),
    ],
)
def test_a_bad_file_of_sequences_is_refused_with_the_reason(write, text, message):
    with pytest.raises(DataError) as said:
        read(write(text))
    assert message in str(said.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("chr3\t0\t2", "no record 'chr3'.*Give the genome that the regions belong to"),
        ("chr1\t5\t99", "not a part of record chr1"),
        ("chr1\tx\t9", "not a BED line"),
        ("chr1\t5\t5", "5-5 holds no base"),
    ],
)
def test_a_line_that_is_no_region_is_named(write, line, message):
    bed, genome = write(f"chr1\t0\t4\n{line}\n", "r.bed"), write(GENOME.replace("R", "N"), "g.fa")
    with pytest.raises(DataError, match=rf"r\.bed, line 2: .*{message}"):
        read(bed, genome=(genome,))


def test_the_other_strand_of_the_other_strand_is_the_first():
    assert reverse_complement("AACGTN") == "NACGTT"
    assert reverse_complement(reverse_complement("AACGTN")) == "AACGTN"
    assert NamedSequence("a", "A").bases == "A"


@pytest.mark.parametrize("name", ["x.bed", "x.bed.gz"])
def test_regions_without_their_genome_are_refused(tmp_path, name):
    (tmp_path / name).write_text("chr1\t0\t2\n")
    with pytest.raises(DataError, match="a BED file names regions; give their genome with --genome"):
        list(SequenceFile(path=tmp_path / name).read())
