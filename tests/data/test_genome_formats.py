"""A format in the table of readers is read by the rules of FASTA: letters, names, gzip."""

import gzip

import numpy as np
import pytest

from genomask.data import Genome
from genomask.data.fasta import Part
from genomask.data.genome_formats import READERS
from genomask.errors import DataError


def two_columns(file, path):
    """`#bases`, then a name, a blank and the letters of a record on each line."""
    for line in file.read().split(b"\n")[1:]:
        name, _, letters = line.partition(b" ")
        yield Part(is_header=True, text=b">" + name)
        yield Part(is_header=False, text=letters)


@pytest.fixture
def written(tmp_path, monkeypatch):
    monkeypatch.setitem(READERS, b"#bases", two_columns)

    def write(text, name="genome.txt"):
        path = tmp_path / name
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        return path

    return write


@pytest.mark.parametrize("name", ["genome.txt", "genome.txt.gz"])
def test_records_are_those_of_the_same_genome_in_fasta(written, name):
    genome = Genome.open(written("#bases\none ACGTNnacgu\ntwo GATTACA", name))
    fasta = Genome.open(written(">one\nACGTN\nnacgu\n>two\nGATTACA\n", "genome.fa"))
    assert (genome.names, genome.fingerprint) == (fasta.names, fasta.fingerprint)
    assert np.array_equal(genome.repeats, fasta.repeats)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("one ACGR", "record one: 'R' is not one of A C G T N"),
        ("one ACG!", "record one: '!' is not a nucleotide letter"),
        ("one ACG\none TTT", "record one appears twice. Give each record a unique name"),
        ("one \ntwo ACG", "record one has no bases"),
    ],
)
def test_errors_are_reported_without_a_line_number(written, text, sentence):
    path = written(f"#bases\n{text}")
    with pytest.raises(DataError, match=rf"genome\.txt[:,] {sentence}"):
        Genome.open(path)
