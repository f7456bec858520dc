"""`genomask leaks`: tables and FASTA as either file, the file of what was found, and a real case."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from genomask.cli.app import app
from genomask.errors import DataError, SettingsError

DATA = Path(__file__).parents[3] / "shared" / "data"
POOL = DATA / "genemask" / "fewshot" / "Prom-core"
GUE = DATA / "gue" / "prom_prom_core_tata"


def leaks(*words, stdin=None):
    """The verb's output; its errors are raised."""
    result = CliRunner().invoke(app, ["leaks", *map(str, words)], input=stdin)
    if isinstance(result.exception, Exception):
        raise result.exception
    return result.output


def count(said, way):
    """Number and per cent of the sequences found in this way."""
    line = next(line for line in said.splitlines() if line.strip().startswith(way))
    return line.split()[-2:]


def reverse_complement(sequence):
    return sequence[::-1].translate(str.maketrans("ACGT", "TGCA"))


@pytest.fixture
def genome():
    return "".join(np.random.default_rng(0).choice(list("ACGT"), 600))


@pytest.fixture
def files(genome, tmp_path):
    rows = [genome[:50], reverse_complement(genome[100:160]), genome[200:240] + "A" * 20, "ACGTTGCA" * 6, "ACG"]
    (tmp_path / "a.csv").write_text("sequence,name\n" + "".join(f"{x},row {i}\n" for i, x in enumerate(rows)))
    (tmp_path / "b.tsv").write_text(
        f"label\tsequence\n0\t{rows[0].lower()}\n1\t{genome[100:160]}\n0\t{genome[190:260]}\n"
    )
    (tmp_path / "b.fa").write_text(f">chr1\n{genome[:300]}\n>chr2\n{genome[300:]}\n")
    return tmp_path


@pytest.mark.parametrize("where", ["b.tsv", "b.fa"])
def test_each_way_to_be_found_is_counted_and_each_sequence_named(files, where):
    said = leaks(files / "a.csv", files / where, "--out", files / "found.tsv")
    assert count(said, "whole, as they are") == ["1", "20.00"]
    assert count(said, "whole, as reverse") == ["1", "20.00"]
    assert count(said, "32 bases in a row") == ["3", "60.00"]
    whole = "looked for only whole" if where == "b.tsv" else "Not looked for at all, shorter than 16 bases"
    assert whole in " ".join(said.split())
    found = pd.read_csv(files / "found.tsv", sep="\t")
    assert list(found.itertuples(index=False, name=None)) == [
        ("row 0", 1, 0, 19, 19), ("row 1", 0, 1, 29, 29), ("row 2", 0, 0, 9, 29),
    ]  # fmt: skip


def test_what_is_not_looked_for_in_a_genome_is_not_said_to_be_absent(genome, files):
    rows = [genome[:20] + "N" + genome[21:60], genome[:15], genome[:16]]
    (files / "few.tsv").write_text("\n".join(["sequence", *rows, ""]))
    said = " ".join(leaks(files / "few.tsv", files / "b.fa").split())
    why = "shorter than 16 bases, which any genome holds by chance, or with a letter other than A C G T"
    assert f"Not looked for whole, {why}, or longer than 1,048,576 bases: 1." in said
    assert f"Not looked for at all, {why}, or longer than 1,048,576 bases, and without 32 letters" in said
    assert "looked for only whole: 1." in said
    in_pool = " ".join(leaks(files / "few.tsv", files / "few.tsv").split())
    assert "Not looked for" not in in_pool
    assert "looked for only whole: 2." in in_pool


def test_records_of_a_genome_are_looked_for_too(files):
    leaks(files / "b.fa", files / "b.tsv", "--out", files / "found.tsv")
    found = pd.read_csv(files / "found.tsv", sep="\t")
    assert list(found.itertuples(index=False, name=None)) == [("chr1", 0, 0, 19 + 29 + 39, 269)]


def test_records_too_long_to_be_looked_for_whole_are_reported(files, monkeypatch):
    monkeypatch.setattr("genomask.commands.leaks.LONGEST_WHOLE", 100)
    said = " ".join(leaks(files / "b.fa", files / "b.tsv").split())
    assert "Not looked for whole, longer than 100 bases: 2." in said


def test_letters_for_several_bases_are_read_as_asked(files, genome):
    (files / "r.fa").write_text(f">x\n{genome}R\n")
    with pytest.raises(DataError, match="--ambiguous n"):
        leaks(files / "a.csv", files / "r.fa")
    assert count(leaks(files / "a.csv", files / "r.fa", "--ambiguous", "n"), "whole, as they are") == ["1", "20.00"]


@pytest.mark.parametrize("name", ["b.tsv", "b.fa"])
def test_either_file_may_come_from_standard_input(files, name):
    here, there = (files / "a.csv", files / name), (files / name, files / "a.csv")
    for pair in (here, there):
        whole = leaks(*pair)
        for at in (0, 1):
            words = ["-" if place == at else path for place, path in enumerate(pair)]
            said = leaks(*words, stdin=pair[at].read_bytes())
            assert said.split() == whole.replace(pair[at].name, "stdin").split()


def test_bad_inputs_and_outputs_are_refused_and_existing_files_kept(files):
    (files / "empty.tsv").write_text("sequence\n")
    with pytest.raises(DataError, match=r"empty\.tsv: it contains no sequence"):
        leaks(files / "a.csv", files / "empty.tsv")
    with pytest.raises(SettingsError, match=r"give a name that ends in \.tsv"):
        leaks(files / "a.csv", files / "b.fa", "--out", files / "found.csv")
    with pytest.raises(SettingsError, match="would overwrite"):
        leaks(files / "a.csv", files / "b.tsv", "--out", files / "b.tsv")
    (files / "notes.tsv").write_text("mine")
    with pytest.raises(SettingsError, match="already exists and is not"):
        leaks(files / "a.csv", files / "b.tsv", "--out", files / "notes.tsv")
    assert (files / "notes.tsv").read_text() == "mine"


@pytest.mark.skipif(not DATA.is_dir(), reason="the real tasks are not here (../shared/data)")
def test_core_promoters_of_two_benchmarks_share_sequences():
    """One of 2,960 test sequences is a training one; 4 % share 32 bases with GUE's TATA promoters, none is a copy."""
    said = leaks(POOL / "test.tsv.gz", POOL / "1000.tsv.gz")
    assert count(said, "whole, as they are") == ["1", "0.03"]
    assert count(said, "32 bases in a row") == ["6", "0.20"]
    said = leaks(POOL / "test.tsv.gz", GUE / "train.csv.gz")
    assert count(said, "whole, as they are") == ["0", "0.00"]
    assert count(said, "32 bases in a row") == ["120", "4.05"]
