import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from genomask.cli.app import app
from genomask.commands.npmi import export_tsv
from genomask.data.genome import Genome
from genomask.errors import DataError, SettingsError
from genomask.masking.npmi import NpmiTable
from genomask.masking.npmi.segmentation import words

COLUMNS = ["ngram", "count", "naive_pmi", "pmi", "npmi", "rank"]


def genomask(*words):
    """The verb's result; an exception is raised unchanged."""
    result = CliRunner().invoke(app, ["npmi", *map(str, words)])
    if isinstance(result.exception, Exception):
        raise result.exception
    return result


@pytest.fixture
def fasta(tmp_path):
    letters = np.random.default_rng(0).choice(list("ACGT"), 30_000)
    (tmp_path / "a.fa").write_text(">one\n" + "".join(letters) + "\n>two\n" + "ACCA" * 500 + "\n")
    return tmp_path / "a.fa"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "table.npmi"


@pytest.mark.parametrize("word", [[], ["count"]])
def test_a_genome_is_counted_with_or_without_the_word_count(fasta, out, word):
    said = genomask(*word, fasta, "--max-n", 4, "--out", out).output
    table = NpmiTable.load(out)
    assert (table.max_n, table.min_count, table.definition, table.strand) == (4, 101, "exact", "forward")
    assert table.genome == Genome.open(fasta).fingerprint
    assert int(table.counts(1).sum()) == 32_000
    assert table.genome in said
    assert str(out) in said.replace("\n", "")


def test_options_may_come_before_the_genome(fasta, out):
    genomask("--out", out, "--definition", "released", "--strand", "both", "--min-count", 5, "--max-n", 3, fasta)
    table = NpmiTable.load(out)
    assert (table.max_n, table.min_count, table.definition, table.strand) == (3, 5, "released", "both")
    np.testing.assert_array_equal(table.counts(1), table.counts(1)[::-1])


def test_several_files_are_one_genome(fasta, out, tmp_path):
    (tmp_path / "b.fa").write_text(">three\nACGTACGTAC\n")
    genomask(fasta, tmp_path / "b.fa", "--max-n", 2, "--out", out)
    assert int(NpmiTable.load(out).counts(1).sum()) == 32_010


def test_only_the_regions_of_a_bed_file_are_counted(fasta, out, tmp_path):
    (tmp_path / "r.bed").write_text("two\t0\t400\ntwo\t800\t1200\n")
    said = genomask(fasta, "--bed", tmp_path / "r.bed", "--max-n", 2, "--min-count", 2, "--out", out).output
    table = NpmiTable.load(out)
    assert table.counts(1).tolist() == [400, 400, 0, 0]
    assert int(table.counts(2).sum()) == 800 - 2
    assert table.regions.startswith("r.bed (hash ")
    assert "only r.bed" in said


def test_count_and_show_write_scores_as_text(fasta, out, tmp_path):
    genomask(fasta, "--max-n", 3, "--out", out, "--tsv", tmp_path / "all.tsv")
    frame = pd.read_csv(tmp_path / "all.tsv", sep="\t")
    assert list(frame.columns) == COLUMNS
    assert frame["ngram"].str.len().value_counts().to_dict() == {2: 16, 3: 64}
    genomask("show", out, "--n", 2, "--tsv", tmp_path / "pairs.tsv")
    pairs = pd.read_csv(tmp_path / "pairs.tsv", sep="\t")
    pd.testing.assert_frame_equal(pairs, frame.iloc[:16])


def test_show_prints_the_best_words_of_the_length_asked_for(fasta, out):
    genomask(fasta, "--max-n", 4, "--out", out)
    best = np.argsort(-NpmiTable.load(out).npmi(3))[:2]
    said = genomask("show", out, "--top", 2, "--n", 3).output
    rows = [line.split() for line in said.splitlines() if line.split()[:1] and set(line.split()[0]) <= set("ACGT")]
    assert [row[0] for row in rows] == ["".join("ACGT"[at >> 2 * place & 3] for place in (2, 1, 0)) for at in best]
    assert "ACCA" in genomask("show", out).output  # the longest by default


def test_a_small_genome_is_warned_about(fasta, out, caplog):
    genomask(fasta, "--max-n", 6, "--out", out)
    assert "of its 6-mers are words seen fewer than 101 times" in caplog.text
    assert "--min-count or --max-n" in caplog.text
    caplog.clear()
    genomask(fasta, "--max-n", 2, "--out", out)
    assert caplog.text == ""


def test_lengths_without_any_scored_word_are_named(tmp_path, out, caplog):
    (tmp_path / "ten.fa").write_text(">ten\nACGTACGTAC\n")
    genomask(tmp_path / "ten.fa", "--max-n", 4, "--out", out)
    assert "no word of 2 bases or more is counted 101 times" in caplog.text
    assert "lower --min-count" in caplog.text
    caplog.clear()
    genomask(tmp_path / "ten.fa", "--max-n", 4, "--min-count", 3, "--out", out)  # AC is there three times
    assert "no word of 3 bases or more is counted 3 times" in caplog.text


def test_letters_other_than_acgtn_are_read_as_n_where_asked(tmp_path, out):
    (tmp_path / "r.fa").write_text(">one\n" + "ACGT" * 50 + "R" + "ACGT" * 50 + "\n")
    with pytest.raises(DataError, match="'R' is not one of A C G T N"):
        genomask(tmp_path / "r.fa", "--max-n", 2, "--out", out)
    genomask(tmp_path / "r.fa", "--max-n", 2, "--out", out, "--ambiguous", "n")
    assert int(NpmiTable.load(out).counts(2).sum()) == 2 * 199


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--out", "."], "is a folder"),
        (["--out", "a.fa"], "would overwrite a file that this command uses"),
        (["--out", "a.fa/t.npmi"], "is not a folder that you may write to"),
        (["--out", 300 * "a" + ".npmi"], r"cannot be written \(File name too long\)"),
        (["--tsv", "table.npmi"], "would overwrite a file that this command uses"),
        (["--bed", "none.bed"], "none.bed: no such file"),
    ],
)
def test_bad_paths_are_refused_before_anything_is_counted(fasta, tmp_path, options, words):
    before = fasta.read_bytes()
    paths = [tmp_path / word if word.isidentifier() or "." in word else word for word in options]
    with pytest.raises((SettingsError, DataError), match=words):
        genomask(fasta, "--out", tmp_path / "table.npmi", *paths)
    assert fasta.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"a.fa"}


@pytest.mark.parametrize("option", ["--out", "--tsv"])
def test_only_what_the_verb_wrote_is_replaced(fasta, out, tmp_path, option):
    (tmp_path / "other.fa").write_text(">x\nACGT\n")
    options = {"--out": out, "--tsv": tmp_path / "all.tsv"}
    with pytest.raises(SettingsError, match=rf"{option} .*other\.fa already exists and is not"):
        genomask(fasta, "--max-n", 2, *sum((options | {option: tmp_path / "other.fa"}).items(), ()))
    assert (tmp_path / "other.fa").read_text() == ">x\nACGT\n"
    assert not out.exists()
    out.touch()  # as mktemp does: nothing is lost
    for max_n in (2, 3):
        genomask(fasta, "--max-n", max_n, *sum(options.items(), ()))
    assert NpmiTable.load(out).max_n == 3
    assert len(pd.read_csv(tmp_path / "all.tsv", sep="\t")) == 16 + 64
    with pytest.raises(SettingsError, match="already exists and is not"):
        genomask("show", out, "--tsv", tmp_path / "other.fa")


def test_a_full_disk_is_one_clear_error_and_leaves_nothing(fasta, out, monkeypatch):
    def full_disk(file, **arrays):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numpy.savez", full_disk)
    with pytest.raises(SettingsError, match=r"cannot be written \(No space left on device\)"):
        genomask(fasta, "--max-n", 2, "--out", out)
    assert not out.exists()


def test_a_link_that_leads_to_itself_is_replaced_by_the_table(fasta, out):
    out.symlink_to(out)
    genomask(fasta, "--max-n", 2, "--out", out)
    assert NpmiTable.load(out).max_n == 2


@pytest.mark.parametrize(("command", "options"), [("show", ["--top", "--n"]), ("motifs", ["--top", "--n"])])
def test_numbers_of_words_and_of_bases_start_at_1(fasta, out, tmp_path, command, options):
    genomask(fasta, "--max-n", 3, "--out", out)
    (tmp_path / "motifs.txt").write_text(">a a\n" + 4 * "3 5 8\n")
    jaspar = ["--jaspar", tmp_path / "motifs.txt"] if command == "motifs" else []
    for option in options:
        for number in (0, -3):
            said = genomask(command, out, *jaspar, option, number)
            assert said.exit_code == 2
            assert f"Invalid value for '{option}'" in said.output


def test_length_0_does_not_mean_all_lengths(fasta, out, tmp_path):
    genomask(fasta, "--max-n", 3, "--out", out)
    with pytest.raises(SettingsError, match="n-grams up to 3, not 0"):
        export_tsv(NpmiTable.load(out), 0, tmp_path / "all.tsv", out)
    assert not (tmp_path / "all.tsv").exists()


def test_show_refuses_files_that_are_no_table_and_lengths_that_a_table_lacks(fasta, out):
    with pytest.raises(DataError, match=r"a\.fa is not an NPMI table"):
        genomask("show", fasta)
    genomask(fasta, "--max-n", 3, "--out", out)
    with pytest.raises(SettingsError, match="n-grams up to 3, not 4; count with --max-n 4"):
        genomask("show", out, "--n", 4)
    assert "Invalid value for '--n'" in genomask("show", out, "--n", 1).output


def test_showing_a_table_without_scores_gives_only_that_error(fasta, out, caplog):
    genomask(fasta, "--max-n", 3, "--min-count", 10**6, "--out", out)
    caplog.clear()
    with pytest.raises(SettingsError, match=r"no 2-gram .* so none has a score; count again with a lower --min-count"):
        genomask("show", out)
    assert "showing those of" not in caplog.text
    with pytest.raises(SettingsError, match=r"no 3-gram .* ask for a shorter --n, or count again"):
        genomask("show", out, "--n", 3)


def test_help_names_the_commands_and_the_options_of_counting():
    assert all(word in genomask("--help").output for word in ("count", "show", "npmi GENOME..."))
    said = genomask("count", "--help").output
    options = ("--max-n", "--out", "--definition", "--strand", "--bed", "--min-count", "--tsv", "--ambiguous")
    assert all(option in said for option in options)


def test_a_mistake_is_one_line_and_exit_2(tmp_path):
    command = [sys.executable, "-m", "genomask", "npmi", "nowhere.fa", "--out", str(tmp_path / "t")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr.startswith("error: nowhere.fa")
    assert result.stderr.count("\n") == 1


def test_show_takes_the_longest_words_that_have_scores(tmp_path, out):
    letters = np.random.default_rng(0).choice(list("ACGT"), 30_000)  # each word of four 117 times, of five 29 times
    (tmp_path / "even.fa").write_text(">one\n" + "".join(letters) + "\n")
    genomask(tmp_path / "even.fa", "--max-n", 6, "--out", out)
    said = genomask("show", out, "--top", 1).output
    assert [word for word in said.split() if set(word) <= set("ACGT")] == [best_words(out, 4)[0]]


def best_words(table, n):
    return words(n)[np.argsort(-NpmiTable.load(table).npmi(n), kind="stable")]


def test_flank_widens_regions_of_one_base(fasta, out, tmp_path):
    (tmp_path / "tss.bed").write_text("two\t400\t401\none\t0\t1\ntwo\t1999\t2000\n")
    with pytest.raises(DataError, match=r"its 3 regions are single bases, which are not words; add bases .* --flank"):
        genomask(fasta, "--bed", tmp_path / "tss.bed", "--max-n", 2, "--out", out)
    assert not out.exists()
    genomask(fasta, "--bed", tmp_path / "tss.bed", "--flank", 50, "--max-n", 2, "--out", out)
    table = NpmiTable.load(out)
    assert int(table.counts(1).sum()) == 101 + 51 + 51  # never beyond a record's ends
    assert "tss.bed with 50 bases on both sides" in table.regions
    genomask(fasta, "--bed", tmp_path / "tss.bed", "--flank", 10**9, "--max-n", 2, "--out", out)
    assert int(NpmiTable.load(out).counts(1).sum()) == 32_000


def test_regions_too_short_for_the_longest_words_are_reported(fasta, out, tmp_path, caplog):
    (tmp_path / "short.bed").write_text("two\t400\t403\none\t0\t3\n")
    genomask(fasta, "--bed", tmp_path / "short.bed", "--max-n", 6, "--out", out)
    assert "2 of 2 regions are shorter than words of 6 bases; add bases on both sides" in caplog.text
