"""`genomask masks`: regions are read as samtools reads them, the mask is the strategy's own, mistakes are reported."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from genomask.cli import app as cli
from genomask.commands import masks
from genomask.commands.demo.simulate import simulate
from genomask.commands.masks import MaskQuestion, best_npmi, read_stretch, show_masks
from genomask.data import KmerTokenizer
from genomask.data.tokenizers.kmer import CLS, SEP, base_codes
from genomask.errors import UserError
from genomask.hashing import make_keys
from genomask.masking import NpmiTable, build_strategy
from genomask.report.mask_text import mask_text

PAGE = (Path(__file__).parents[2] / "docs/masking.md").read_text(encoding="utf-8")
LETTERS = "ACGTTGCANNACGTACGGTTCAATGCCATTGACGTAGCTAGCATCGATTACGGAGC"


@pytest.fixture(autouse=True)
def few_masks(monkeypatch):
    monkeypatch.setattr(masks, "MANY_MASKS", 200)


@pytest.fixture
def table(simulated) -> NpmiTable:
    return NpmiTable.from_fasta(simulated.genome, max_n=4)


def bases_of(fasta) -> str:
    return "".join(line for line in fasta.read_text().splitlines() if not line.startswith(">"))


def test_a_region_counts_from_1_and_holds_both_its_ends(simulated):
    stretch = read_stretch(f"{simulated.genome}:simulated:1,001-1,120")
    assert (stretch.name, stretch.first, len(stretch.codes)) == ("simulated", 1001, 120)
    assert "".join("ACGT"[code] for code in stretch.codes) == bases_of(simulated.genome)[1000:1120]


def test_a_region_of_a_later_record_counts_from_that_record(tmp_path):
    path = tmp_path / "two:files.fa"
    path.write_text(">a\nAAAACCCC\n>b:1\nacgtNNacgt\n")
    stretch = read_stretch(f"{path}:b:1:3-7")
    assert (stretch.name, stretch.first, stretch.codes.tolist()) == ("b:1", 3, [2, 3, 4, 4, 0])
    assert read_stretch(f"{path}:b:1").codes.tolist() == [0, 1, 2, 3, 4, 4, 0, 1, 2, 3]


def test_letters_are_read_in_either_case_with_u_for_t():
    assert read_stretch("acgUNt").codes.tolist() == [0, 1, 2, 3, 4, 3]


def test_letters_for_several_bases_are_read_as_in_a_fasta_file():
    assert read_stretch("acgRYt", ambiguous="n").codes.tolist() == [0, 1, 2, 4, 4, 3]
    shown = show_masks(MaskQuestion(sequence="ACGTRACGTACGT", strategies=("uniform",), k=3, ambiguous="n"))
    assert shown.letters == "ACGTNACGTACGT"


def test_a_file_whose_name_could_be_a_sequence_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "yard").write_text(">one\nACGTACGT\n")
    assert read_stretch("yard:one:1-3", ambiguous="n").codes.tolist() == [0, 1, 2]
    with pytest.raises(UserError, match="yard: name the part of it to look at"):
        read_stretch("yard", ambiguous="n")


def test_a_sequence_without_a_word_that_has_an_npmi_is_reported(simulated, caplog):
    for k, is_said in ((4, False), (8, True)):  # in 60,000 bases each 8-mer occurs about once
        sequence = f"{simulated.genome}:simulated:1-40"
        show_masks(MaskQuestion(sequence=sequence, strategies=("genemask",), k=k, match="none"))
        assert (f"no {k}-mer of this sequence is counted 101 times" in caplog.text) == is_said


@pytest.mark.parametrize("k", [1, 3, 6])
def test_a_base_is_hidden_if_all_tokens_that_cover_it_are_masked(k):
    shown = show_masks(MaskQuestion(sequence=LETTERS, strategies=("uniform", "contiguous"), k=k, rate=0.5, seed=3))
    named = [token for token in range(len(LETTERS) - k + 1) if "N" not in LETTERS[token : token + k]]
    for row in shown.rows:
        assert set(row.masked.nonzero()[0]) <= set(named)
        for base, hidden in enumerate(row.hidden):
            over = [bool(row.masked[token]) for token in named if token <= base < token + k]
            assert hidden == (bool(over) and all(over))
        assert row.shown.account.tokens == len(named)
        assert row.shown.account.tokens_masked == row.masked.sum()
        assert row.shown.account.bases_hidden == row.hidden.sum()
        assert row.shown.spans == (np.diff(row.masked.astype(int), prepend=0) == 1).sum()


def test_the_mask_is_the_strategys_own_under_the_seeds_first_key(simulated, table):
    region = f"{simulated.genome}:simulated:2001-2200"
    question = MaskQuestion(sequence=region, strategies=("genemask",), k=4, match="none", seed=7)
    row = show_masks(question).rows[0]
    tokenizer = KmerTokenizer(k=4)
    kmers = tokenizer.encode_bases(base_codes(bases_of(simulated.genome)[2000:2200]))
    ids = torch.from_numpy(np.concatenate([[CLS], kmers, [SEP]]))
    strategy = build_strategy("genemask", tokens=tokenizer.token_bases, mask_rate=0.15, npmi=table, match="none")
    spans = strategy.select(ids, torch.tensor([0, len(ids)]), torch.from_numpy(make_keys(7, 0, np.arange(1))))
    assert row.masked.tolist() == (spans[1:-1] > 0).tolist()
    assert row.masked.any()


def test_the_npmi_of_a_base_is_the_highest_of_the_words_over_it(table):
    codes, k, scores = base_codes(LETTERS), 4, table.npmi(4)
    expected = []
    for base in range(len(codes)):
        words = [codes[at : at + k] for at in range(max(0, base - k + 1), min(base, len(codes) - k) + 1)]
        npmi = [scores[int("".join(map(str, word)), 4)] for word in words if max(word) < 4]
        expected.append(max([score for score in npmi if np.isfinite(score)], default=np.nan))
    assert np.isnan(expected[8:10]).all()  # the two Ns
    assert np.isfinite(expected).sum() > 40
    np.testing.assert_array_equal(best_npmi(codes, k, table), expected)


def test_a_saved_table_and_its_genome_give_the_same_masks_and_npmi(simulated, table, tmp_path):
    table.save(tmp_path / "table.npmi")
    asked = {"sequence": LETTERS, "strategies": ("genemask",), "k": 4, "rate": 0.3, "match": "none"}
    counted = show_masks(MaskQuestion(genome=(simulated.genome,), **asked))
    loaded = show_masks(MaskQuestion(npmi=tmp_path / "table.npmi", **asked))
    assert counted.rows[0].masked.tolist() == loaded.rows[0].masked.tolist()
    np.testing.assert_array_equal(counted.best_npmi, loaded.best_npmi)
    assert show_masks(MaskQuestion(sequence=LETTERS, strategies=("uniform",))).best_npmi.size == 0


def test_npmi_is_counted_in_the_genome_that_is_named_and_not_in_the_file_of_the_sequence(simulated, tmp_path):
    (tmp_path / "x.fa").write_text(f">x\n{LETTERS}\n")
    asked = {"genome": (simulated.genome,), "strategies": ("genemask",), "k": 4, "match": "none"}
    of_letters, of_part = (
        show_masks(MaskQuestion(sequence=sequence, **asked)).best_npmi
        for sequence in (LETTERS, f"{tmp_path / 'x.fa'}:x:1-{len(LETTERS)}")
    )
    assert np.isfinite(of_letters).any()
    np.testing.assert_array_equal(of_part, of_letters)


def test_letters_for_several_bases_elsewhere_in_the_genome_are_read_as_asked(simulated, tmp_path):
    (tmp_path / "r.fa").write_text(f">x\n{bases_of(simulated.genome)[:5000]}R\n")
    asked = {"sequence": f"{tmp_path / 'r.fa'}:x:1-60", "strategies": ("genemask",), "k": 2, "match": "none"}
    with pytest.raises(UserError, match="--ambiguous n"):
        show_masks(MaskQuestion(**asked))
    assert np.isfinite(show_masks(MaskQuestion(ambiguous="n", **asked)).best_npmi).all()


def test_the_genome_is_not_read_whole_for_strategies_that_need_none_of_it(simulated, monkeypatch):
    monkeypatch.setattr("genomask.data.genome.Genome.open", None)
    sequence = f"{simulated.genome}:simulated:1001-1060"
    assert show_masks(MaskQuestion(sequence=sequence, strategies=("uniform", "random-span"))).best_npmi.size == 0


def test_means_are_over_many_masks_and_another_seed_shows_another_mask(simulated):
    asked = {"sequence": f"{simulated.genome}:simulated:1-510", "strategies": ("uniform",)}
    seeds = [show_masks(MaskQuestion(seed=seed, **asked)).rows[0] for seed in (0, 1)]
    assert seeds[0].masked.tolist() != seeds[1].masked.tolist()
    assert seeds[0].many.masks == 200
    assert seeds[0].many.account.tokens == 200 * 505
    assert seeds[0].many.account.tokens_masked_fraction == pytest.approx(0.15, abs=0.005)


@pytest.mark.parametrize(
    ("match", "counted"), [("tokens", "tokens_masked_fraction"), ("bases", "bases_hidden_fraction")]
)
def test_the_rate_is_met_in_the_tokens_or_bases_that_it_counts(simulated, match, counted):
    sequence = f"{simulated.genome}:simulated:1-510"
    row = show_masks(MaskQuestion(sequence=sequence, strategies=("random-span",), match=match)).rows[0]
    assert getattr(row.many.account, counted) == pytest.approx(0.15, abs=0.02)


def test_rates_of_0_and_1_hide_nothing_and_everything():
    question = MaskQuestion(sequence="ACGTACGTAC", strategies=("contiguous", "uniform"), k=3, rate=0)
    assert not any(row.hidden.any() or row.shown.spans for row in show_masks(question).rows)
    everything = show_masks(MaskQuestion(sequence="ACGTACGTAC", strategies=("contiguous",), k=3, rate=1)).rows[0]
    assert everything.hidden.all()
    assert everything.shown.spans == 1


def test_a_strategy_set_on_windows_of_the_genome_is_near_its_rate_there(simulated):
    sequence = f"{simulated.genome}:simulated:3001-3120"
    row = show_masks(MaskQuestion(sequence=sequence, strategies=("npmi-global",), k=4)).rows[0]
    assert 0.05 < row.many.account.tokens_masked_fraction < 0.3


def test_npmi_global_refuses_a_sequence_longer_than_any_stretch_of_the_genome(tmp_path, simulated):
    (tmp_path / "gaps.fa").write_text(f">c\n{'N'.join([bases_of(simulated.genome)[:119]] * 4)}\n")
    asked = {"sequence": f"{tmp_path / 'gaps.fa'}:c:1-120", "k": 3}
    with pytest.raises(UserError, match=r"'npmi-global' meets .* 120 bases of A C G T: .* a shorter sequence, or"):
        show_masks(MaskQuestion(strategies=("npmi-global",), **asked))
    for others in ({"strategies": ("genemask",)}, {"strategies": ("npmi-global",), "match": "none"}):
        assert show_masks(MaskQuestion(**others, **asked)).rows[0].many.account.tokens_masked > 0


MISTAKES = {
    "an odd letter": (["ACGJTACG"], "neither a sequence of the letters A C G T N nor part of an existing file"),
    "an ambiguous letter": (["acgtrACGT"], "'acgtrACGT': 'r' is not one of A C G T N. Pass --ambiguous n to read"),
    "no file": (["nowhere.fa:chr1:1-10"], "nowhere.fa: no such file"),
    "no region": (["{fasta}"], "name the part of it to look at, such as {fasta}:simulated:1-120"),
    "unknown record": (["{fasta}:chr1:1-10"], "no record 'chr1'. Its records are: simulated"),
    "outside": (["{fasta}:simulated:59990-60010"], "which has bases 1-60,000"),
    "too long": (["{fasta}:simulated"], "60,000 bases; a picture shows at most 2,000"),
    "too short": (["ACG"], "3 bases, less than one token of k = 6"),
    "only N": (["NNNNNNNNNN"], "no 6 known bases in a row"),
    "no NPMI": (["ACGTACGTAC", "--masking", "uniform,genemask"], "--npmi, or a FASTA to count it in as --genome"),
    "no windows": (
        ["ACGTACG", "--masking", "npmi-global", "--npmi", "{table}"],
        "as long as the sequence, 7 bases of A C G T: give a genome with such stretches as --genome",
    ),
    "unknown strategy": (["ACGTACGTAC", "--masking", "magic"], "'magic'"),
    "no strategy": (["ACGTACGTAC", "--masking", ","], "no strategy named"),
    "no picture format": (["ACGTACGTAC", "--masking", "uniform", "--out", "masks.bmp"], "saved as .svg, .png or .pdf"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_clear_error_and_exit_2(name, simulated, tmp_path, monkeypatch, capsys):
    NpmiTable.from_fasta(simulated.genome, max_n=6, min_count=2).save(tmp_path / "table.npmi")
    names = {"fasta": simulated.genome, "table": tmp_path / "table.npmi"}
    arguments, words = MISTAKES[name]
    given = [argument.format(**names) for argument in arguments]
    monkeypatch.setattr(sys, "argv", ["genomask", "masks", "--out", str(tmp_path / "masks.svg"), *given])
    with pytest.raises(SystemExit) as end:
        cli.main()
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert end.value.code == 2
    assert said.startswith("error: ")
    assert words.format(**names) in said
    assert not list(tmp_path.glob("masks.*"))


def test_the_command_prints_the_masks_and_the_table_and_saves_the_picture(simulated, tmp_path, monkeypatch, capsys):
    out = tmp_path / "pictures" / "masks.svg"
    region = f"{simulated.genome}:simulated:1001-1120"
    asked = [
        "--masking",
        "genemask,random-span,contiguous",
        "--k",
        "4",
        "--match",
        "none",
        "--seed",
        "1",
        "--out",
        str(out),
    ]
    monkeypatch.setattr(sys, "argv", ["genomask", "masks", region, *asked])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 0
    printed = capsys.readouterr().out
    for words in ("simulated:1,001-1,120, 120 bases, k = 4", "1100", "spans", f"picture: {out}"):
        assert words in printed
    assert "120 bases hidden" in out.read_text()


@pytest.mark.parametrize("name", ["table.svg", "genome.svg", "other.svg", "table.svg/new.svg", "folder.svg"])
def test_an_out_that_must_not_be_written_is_refused_before_any_mask_is_made(name, tmp_path, monkeypatch, capsys):
    (tmp_path / "folder.svg").mkdir()
    for file in ("table.svg", "genome.svg", "other.svg"):
        (tmp_path / file).write_text("is read")
    monkeypatch.setattr(masks, "show_masks", None)  # it must not be called
    read = ["--npmi", tmp_path / "table.svg", "--genome", tmp_path / "other.svg"]
    asked = ["masks", f"{tmp_path / 'genome.svg'}:one:1-20", *read, "--out", tmp_path / name]
    monkeypatch.setattr(sys, "argv", ["genomask", *map(str, asked)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: --out {tmp_path / name} ")
    assert said.count("\n") == 1
    assert all((tmp_path / file).read_text() == "is read" for file in ("table.svg", "genome.svg", "other.svg"))


def test_an_unknown_picture_format_is_refused_before_any_mask_is_made(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(masks, "show_masks", None)  # it must not be called
    monkeypatch.setattr(sys, "argv", ["genomask", "masks", LETTERS, "--out", str(tmp_path / "masks.jpg")])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    assert "saved as .svg, .png or .pdf" in capsys.readouterr().err


def test_the_masks_are_still_printed_if_the_disk_is_full(tmp_path, monkeypatch, capsys):
    def full_disk(shown, out):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(masks, "mask_picture", full_disk)
    asked = ["masks", LETTERS, "--masking", "uniform", "--out", str(tmp_path / "masks.svg")]
    monkeypatch.setattr(sys, "argv", ["genomask", *asked])
    with pytest.raises(SystemExit) as end:
        cli.main()
    said = capsys.readouterr()
    assert end.value.code == 2
    assert "spans" in said.out
    assert "masks.svg cannot be written (No space left on device)" in said.err


def test_an_unreadable_table_is_refused(tmp_path):
    (tmp_path / "table.npmi").write_text("no table")
    question = MaskQuestion(sequence="ACGTACGTAC", strategies=("genemask",), npmi=tmp_path / "table.npmi")
    with pytest.raises(UserError, match=r"table\.npmi"):
        show_masks(question)


def test_the_figures_of_the_documentation_are_what_the_command_prints(tmp_path, monkeypatch):
    monkeypatch.setattr(masks, "MANY_MASKS", 2_000)
    number = r"([\d.]+)"
    rows = re.findall(
        rf"^\| `([\w-]+)`[^|]*\| {number} % \| {number} % \| {number} % \| {number} \|$", PAGE, re.MULTILINE
    )
    assert len(rows) == 6
    region = f"{simulate(tmp_path, 0).genome}:simulated:1001-1510"
    for name, *figures in rows:
        asked, tokens, bases, length = map(float, figures)
        question = MaskQuestion(sequence=region, strategies=(name,), rate=asked / 100, match="none")
        many = show_masks(question).rows[0].many
        assert 100 * many.account.tokens_masked_fraction == pytest.approx(tokens, abs=0.06)
        assert 100 * many.account.bases_hidden_fraction == pytest.approx(bases, abs=0.06)
        assert float(many.tokens_a_span) == pytest.approx(length, abs=0.11)


def test_the_masks_of_the_documentation_are_what_the_command_prints(tmp_path):
    (block,) = re.findall(r"```text\n(.*?)\n```", PAGE, re.DOTALL)
    *lines, _ = block.split("\n")  # the last is genemask's
    region = f"{simulate(tmp_path, 0).genome}:simulated:121-240"
    shown = show_masks(MaskQuestion(sequence=region, strategies=("random-span",), seed=9))
    assert set(lines) <= set(mask_text(shown, 80).plain.split("\n"))


def test_the_strategy_that_the_documentation_writes_works(tmp_path):
    (source,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    file = tmp_path / "my_masks.py"
    file.write_text(source)
    names = (f"{file}:first-half:fraction=0.5",)
    row = show_masks(MaskQuestion(sequence=LETTERS, strategies=names, rate=0.3, match="none")).rows[0]
    assert row.masked[:25].any()
    assert not row.masked[26:].any()


@pytest.mark.parametrize("ending", ["svg", "png", "pdf"])
def test_only_a_picture_of_masks_is_replaced(tmp_path, monkeypatch, capsys, ending):
    monkeypatch.chdir(tmp_path)
    asked = ["genomask", "masks", "ACGTACGTACGT", "--masking", "uniform", "--out", f"a.{ending}"]
    picture = tmp_path / f"a.{ending}"
    for foreign in (
        b"primers",
        b"<svg xmlns='http://www.w3.org/2000/svg'></svg>",
        b"\x89PNG\r\n",
        b"%PDF-1.4\n",
    ):
        picture.write_bytes(foreign)
        assert exit_code(monkeypatch, asked) == 2
        assert f"a.{ending} already exists and is not a picture that genomask masks drew" in capsys.readouterr().err
        assert picture.read_bytes() == foreign
    picture.write_bytes(b"")
    assert exit_code(monkeypatch, asked) == 0
    first = picture.read_bytes()
    assert exit_code(monkeypatch, [*asked, "--seed", "1"]) == 0
    second = picture.read_bytes()
    assert second != first

    def stop(*_args, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", stop)
    assert exit_code(monkeypatch, asked) == 2
    assert picture.read_bytes() == second
    assert [path.name for path in tmp_path.iterdir()] == [picture.name]


def exit_code(monkeypatch, arguments: list[str]) -> int:
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as end:
        cli.main()
    return end.value.code
