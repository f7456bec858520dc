import gzip
import io
import re

import pytest
from Bio import SeqIO
from Bio.Seq import Seq
from Bio.SeqRecord import SeqRecord

from genomask.data import Genome, fasta
from genomask.data.fasta import read_fasta
from genomask.data.genome_formats import is_genome, read_genome
from genomask.errors import DataError

LETTERS = "GATTACAGATTACANNCATTACAG" * 12


def flat_file(name="TINY", letters=LETTERS):
    """A GenBank file, as Biopython writes it."""
    record = SeqRecord(Seq(letters), id=f"{name}.1", name=name, annotations={"molecule_type": "DNA"})
    return SeqIO.write([record], text := io.StringIO(), "genbank") and text.getvalue()


def read(tmp_path, text, name="g.gb", ambiguous="error"):
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    found = {}
    for record, codes, *_ in read_genome(path, ambiguous):
        found[record] = found.get(record, "") + "".join("ACGTN"[code] for code in codes)
    return found


@pytest.mark.parametrize("chunk", [1, 50, 1 << 22])
@pytest.mark.parametrize("name", ["g.gb", "g.gbff.gz"])
def test_records_are_named_by_their_versions_wherever_chunks_end(tmp_path, monkeypatch, chunk, name):
    monkeypatch.setattr(fasta, "CHUNK_BYTES", chunk)
    text = flat_file("ONE") + flat_file("TWO", LETTERS[::-1])
    assert read(tmp_path, text, name) == {"ONE.1": LETTERS, "TWO.1": LETTERS[::-1]}
    assert read(tmp_path, text.replace("\n", "\r\n"), name) == {"ONE.1": LETTERS, "TWO.1": LETTERS[::-1]}


@pytest.mark.parametrize("name", ["g.gb", "g.gb.gz"])
def test_a_byte_order_mark_is_passed_over(tmp_path, name):
    assert read(tmp_path, "\ufeff" + flat_file(), name) == {"TINY.1": LETTERS}
    assert is_genome(tmp_path / name)


def test_a_record_without_a_version_is_named_by_its_accession_or_locus(tmp_path):
    text = re.sub("VERSION .*\n", "", flat_file())
    assert list(read(tmp_path, text.replace("ACCESSION   TINY", "ACCESSION   AB1 AB2"))) == ["AB1"]
    assert list(read(tmp_path, re.sub("ACCESSION .*\n", "", text))) == ["TINY"]


def test_a_real_phage_is_the_same_as_in_fasta(tmp_path, shared_data):
    path = shared_data / "genomes" / "tiny" / "lambda.NC_001416.1.fa.gz"
    letters = "".join("ACGTN"[code] for piece in read_fasta(path) for code in piece.codes)
    (tmp_path / "l.gb").write_text(flat_file("NC_001416", letters))
    ours, theirs = Genome.open(tmp_path / "l.gb", cache=tmp_path), Genome.open(path, cache=tmp_path)
    assert (ours.names, ours.fingerprint) == (["NC_001416.1"], theirs.fingerprint)
    assert len(ours.repeats) == 0  # its letters are lower case, as in all GenBank files
    assert is_genome(tmp_path / "l.gb")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda text: text.replace("tta", "tra", 1), r", line 11, record TINY\.1: 'R' is not one of A C G T N"),
        (
            lambda text: text.replace("tta", "t", 1),
            r", line 16: record TINY\.1 has 286 bases, but its LOCUS line states 28",
        ),
        (lambda text: text.replace("//", ""), ": its last record does not end with //, so it is cut short"),
        (lambda text: text[: text.index("ORIGIN")], ": its last record does not end with //"),
        (
            lambda text: text[: text.index("ORIGIN")] + "//\n",
            r", line 10: record TINY\.1 has no sequence \(no ORIGIN\)",
        ),
        (lambda text: text + text, r", line 26: record TINY\.1 appears twice, first on line 10"),
        (lambda text: text + "ORIGIN\n//\n", ", line 17: a record without a name"),
    ],
)
def test_a_bad_file_is_refused_with_the_reason(tmp_path, change, sentence):
    with pytest.raises(DataError, match=rf"g\.gb{sentence}"):
        read(tmp_path, change(flat_file()))
