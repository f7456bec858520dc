"""`genomask embed`: vectors in the order of the file, of any format, and one clear error for each mistake."""

import io
import sys

import numpy as np
import pytest

from genomask.cli import app as cli
from genomask.commands.embed import embed
from genomask.data.bases import reverse_complement
from genomask.data.sequences import SequenceFile
from genomask.errors import DataError
from genomask.inference import stream
from genomask.inference.models import load
from genomask.inference.pooling import VectorSettings, vectors

rng = np.random.default_rng(1)
SEQUENCES = ["".join(rng.choice(list("ACGT"), n)) for n in (30, 5, 60, 12, 30, 44)]
FASTA = "".join(f">r{n}\n{bases}\n" for n, bases in enumerate(SEQUENCES))


@pytest.fixture
def fasta(tmp_path):
    path = tmp_path / "sequences.fa"
    path.write_text(FASTA)
    return path


@pytest.fixture
def run(monkeypatch, capsys):
    def run(*arguments) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["genomask", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return end.value.code, *capsys.readouterr()

    return run


def expected(model_folder, sequences=SEQUENCES, pooling="mean"):
    return vectors(load(model_folder), sequences, VectorSettings(pooling=pooling), "file")


@pytest.mark.parametrize("pooling", ["mean", "center", "cls"])
def test_vectors_come_in_the_order_of_the_file_however_it_is_cut(run, model_folder, fasta, pooling, monkeypatch):
    out = fasta.with_name("v.npy")
    whole = expected(model_folder, pooling=pooling)
    for bases in (1, 70, 1 << 18):
        monkeypatch.setattr(stream, "CHUNK_BASES", bases)
        code, said, _ = run("embed", fasta, "--model", model_folder, "--out", out, "--pooling", pooling)
        assert code == 0
        assert said == f"{out}: 6 sequences, vectors of width 32, names in {fasta.with_name('v.names.txt')}\n"
        np.testing.assert_allclose(np.load(out), whole, atol=1e-5)
    assert fasta.with_name("v.names.txt").read_text().split() == [f"r{n}" for n in range(6)]


def test_from_standard_input_to_standard_output(run, model_folder, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(FASTA.encode()))))
    code, said, _ = run("embed", "-", "--model", model_folder, "--out", "-")
    header, *rows = said.splitlines()
    assert (code, header.split("\t")[:2], len(rows)) == (0, ["name", "v0"], 6)
    found = np.array([row.split("\t")[1:] for row in rows], dtype=np.float32)
    np.testing.assert_allclose(found, expected(model_folder), atol=1e-5)


def test_both_strands_are_averaged(model_folder, fasta):
    out = fasta.with_name("v.npy")
    embed(model_folder, SequenceFile(path=fasta), "mean", out, both_strands=True)
    other = expected(model_folder, [reverse_complement(bases) for bases in SEQUENCES])
    np.testing.assert_allclose(np.load(out), (expected(model_folder) + other) / 2, atol=1e-5)


def test_vectors_of_tokens_say_which_bases_they_cover(model_folder, fasta):
    out = fasta.with_name("v.npy")
    embed(model_folder, SequenceFile(path=fasta), "tokens", out)
    found = np.load(out)
    rows = [line.split("\t") for line in fasta.with_name("v.names.txt").read_text().splitlines()]
    assert len(found) == len(rows) == sum(len(bases) - 2 for bases in SEQUENCES)
    assert rows[28:31] == [["r1", "0", "3"], ["r1", "1", "4"], ["r1", "2", "5"]]
    names = np.array([row[0] for row in rows])
    means = np.stack([found[names == f"r{n}"].mean(axis=0) for n in range(6)])
    np.testing.assert_allclose(means, expected(model_folder), atol=1e-5)


def test_regions_of_a_genome_are_embedded_as_their_bases(model_folder, fasta):
    bed, out = fasta.with_name("r.bed"), fasta.with_name("v.tsv")
    bed.write_text("r2\t10\t30\tx\t0\t-\nr0\t0\t30\n")
    embed(model_folder, SequenceFile(path=bed, genome=(fasta,)), "mean", out)
    lines = [line.split("\t") for line in out.read_text().splitlines()[1:]]
    assert [line[0] for line in lines] == ["x", "r0:0-30"]
    bases = [reverse_complement(SEQUENCES[2][10:30]), SEQUENCES[0]]
    np.testing.assert_allclose(np.array([x[1:] for x in lines], np.float32), expected(model_folder, bases), atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{fa}", "--out", "{fa}.csv"], "give a name that ends in .npy or .parquet or .tsv"),
        (["{fa}", "--out", "{fa}.npy", "--pooling", "max"], "--pooling"),
        (["{fa}", "--out", "{fa}.npy", "--pooling", "tokens", "--both-strands"], "--both-strands averages"),
        (["{fa}.nothere", "--out", "{fa}.npy"], "no such file"),
        (["{fa}", "--out", "{fa}/v.npy"], "is not a folder that you may write to"),
        (["{fa}", "--genome", "{fa}", "--out", "{fa}.npy"], "line 1"),
        (["{short}", "--out", "{fa}.npy"], "short.csv: sequence 3 is 'AC', which gives no token"),
        (["{short}", "--out", "{fa}.npy", "--pooling", "tokens"], "short.csv: sequence 3 is 'AC'"),
        (["{empty}", "--out", "{fa}.npy"], "the file is empty"),
    ],
)
def test_a_mistake_is_one_clear_error_and_leaves_nothing(run, model_folder, fasta, arguments, words):
    files = {"fa": fasta, "short": fasta.with_name("short.csv"), "empty": fasta.with_name("empty")}
    files["short"].write_text("sequence\nACGTACGT\nAC\n")
    files["empty"].write_text("")
    before = sorted(path.name for path in fasta.parent.iterdir())
    code, _, said = run("embed", "--model", model_folder, *(word.format(**files) for word in arguments))
    assert code == 2
    assert words in said
    assert len(said.strip().splitlines()) == 1
    assert sorted(path.name for path in fasta.parent.iterdir()) == before


def test_a_sequence_as_long_as_a_chromosome_is_refused(model_folder, fasta):
    with pytest.raises(DataError, match=r"r2 has more than 50 bases.* a BED file, with the genome as --genome"):
        embed(model_folder, SequenceFile(path=fasta, most_bases=50), "mean", fasta.with_name("v.npy"))
