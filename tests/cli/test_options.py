"""Command lines with mistakes: one line on standard error, exit 2, nothing written, most without importing torch."""

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
import torch
from typer.main import get_command
from typer.testing import CliRunner

from genomask.cli import app as cli
from genomask.cli.options import repeat_options
from genomask.cli.verbs import compare, export, fewshot, masks
from genomask.cli.verbs.npmi import LONGEST_WORDS
from genomask.data.tokenizers.kmer import KmerTokenizer
from genomask.encoders.backends import BACKENDS
from genomask.encoders.bridges import EXPORTS
from genomask.encoders.config import BACKEND_NAMES
from genomask.files import inputs
from genomask.inference.pooling import POOLINGS
from genomask.masking.curricula import CURRICULA
from genomask.masking.npmi.counting import MAX_N
from genomask.masking.rates import Match
from genomask.masking.registry import STRATEGIES

APP = get_command(cli.app)
COMMANDS = {name: c for name, c in {**APP.commands, **APP.commands["npmi"].commands}.items() if name != "npmi"}
HEAVY = ["torch", "transformers", "numba", "sklearn", "pandas", "matplotlib"]
TABLE = "sequence\tlabel\nACGTACGT\t0\nACGTACGA\t0\nTTGTACGT\t1\nTTGTACGA\t1\n"
LONG = 300 * "A"
PRETRAIN, NPMI, MASKS = ["pretrain", "--genome", "a.fa"], ["npmi", "a.fa", "--out", "o"], ["masks", "ACGTACGTAC"]
FEWSHOT = ["fewshot", "--model", "m", "--train", "t.tsv", "--test", "t.tsv", "--methods", "kmer-logreg"]
VARIANTS = ["variants", "--model", "m", "--genome", "a.fa", "t.tsv"]
COMPARE = ["compare", "--genome", "a.fa", "--train", "t.tsv", "--test", "t.tsv"]

FINETUNE = ["finetune", "--model", "m", "--train", "t.tsv"]

BEFORE_TORCH = [
    (["pretain"], "Did you mean 'pretrain'?"),
    (["pretrain", "--genom", "a.fa"], "--genome"),
    (["pretrain", "--genome"], "'--genome' requires an argument"),
    (["pretrain"], "either --genome FASTA or --corpus SHARDS"),
    ([*PRETRAIN, "--corpus", "c4"], "either --genome FASTA or --corpus SHARDS"),
    (["pretrain", "--genome", "nothere.fa"], "nothere.fa: no such file"),
    (["pretrain", "--genome", "A.fa"], "Did you mean 'a.fa'?"),
    (["pretrain", "--genome", "https://x.org//y.fa.gz"], "https://x.org//y.fa.gz: URLs are not read; download"),
    (["pretrain", "--genome", ""], "a path is empty"),
    (["pretrain", "--genome", LONG], "no such file"),
    (["pretrain", "--genome", "r"], "r: no genome in this folder"),
    (["pretrain", "--genome", "/dev/null"], "not an ordinary file"),
    (["pretrain", "--genome", "a.fa:2"], "--genome a.fa:2: a weight only makes sense with several genomes"),
    (["pretrain", "--genome", "a.fa:2", "b:1.fa"], "b:1.fa has no weight, but others have"),
    (["compare", "--genome", "a.fa", "b:1.fa:1", *COMPARE[3:]], "a.fa has no weight, but others have"),
    (["doctor", "--genome", "a.fa:0", "a.fa:1"], "the weight in --genome a.fa:0 must be above 0 and at most 1e+06"),
    (["pretrain", "--genome", "a.fa:-1"], "the weight in --genome a.fa:-1 must be above 0"),
    (["pretrain", "--genome", "a.fa:nan"], "the weight in --genome a.fa:nan must be above 0"),
    (["pretrain", "--genome", "a.fa:inf"], "the weight in --genome a.fa:inf must be above 0"),
    (["pretrain", "--genome", "nothere.fa:2"], "nothere.fa: no such file"),
    (["pretrain", "--genome", "a.fa:x:1-20"], "a.fa:x:1-20: no such file"),
    (["pretrain", "--genome", "https://x.org/y.fa:2"], "https://x.org/y.fa: URLs are not read"),
    (["pretrain", "--corpus", "nothere.jsonl"], "nothere.jsonl: no such file"),
    (["pretrain", "--corpus", "hf://allenai/c4"], "hf://allenai/c4: not the name of a data set"),
    ([*PRETRAIN, "--out", "a.fa"], "is not a folder that you may write to"),
    ([*PRETRAIN, "--out", LONG], "File name too long"),
    ([*PRETRAIN, "--recipe", "genome-tinny"], "Did you mean 'genome-tiny'?"),
    ([*PRETRAIN, "--recipe", LONG], "there is no recipe"),
    ([*PRETRAIN, "--recipe", "c4-tiny"], "recipe c4-tiny is for text"),
    ([*PRETRAIN, "--set", "training.steps"], "--set takes table.key=value"),
    ([*PRETRAIN, "--set", ""], "--set takes table.key=value"),
    ([*PRETRAIN, "--set", "kind.x=1"], "kind is not a table"),
    ([*PRETRAIN, "--masking", "genmask"], "Did you mean 'genemask'?"),
    ([*PRETRAIN, "--masking", "mine.py:mine"], "there is no file mine.py"),
    ([*PRETRAIN, "--set", "masking.strategy=genmask"], "Did you mean 'genemask'?"),
    ([*PRETRAIN, "--vocabulary", "nothere.txt"], "nothere.txt: no such file"),
    ([*PRETRAIN, "--ambiguous", "N"], "--ambiguous"),
    ([*PRETRAIN, "--quiet", "--verbose"], "cannot be combined"),
    (["fewshot"], "Missing option"),
    ([*FEWSHOT, "--shots", "²"], "--shots takes whole numbers"),
    ([*FEWSHOT, "--shots", "-1"], "--shots takes whole numbers"),
    ([*FEWSHOT, "--shots", ",,"], "--shots takes whole numbers"),
    ([*FEWSHOT, "--shots", 5_000 * "9"], "--shots takes whole numbers"),
    ([*FEWSHOT, "--draws", "999999999999"], "--draws"),
    ([*FEWSHOT, "--draws", "0"], "--draws"),
    ([*FEWSHOT, "--methods", "prob"], "Did you mean 'probe'?"),
    ([*FEWSHOT, "--methods", ","], "--methods is empty"),
    ([*FEWSHOT, "--pooling", "max"], "--pooling"),
    ([*FEWSHOT, "--train", LONG], "no such file"),
    ([*FEWSHOT, "--methods", "probe"], "m: no model here"),
    ([*COMPARE, "--seeds", "0"], "--seeds"),
    ([*COMPARE, "--seeds", "99999999999"], "--seeds"),
    ([*COMPARE, "--match", "token"], "--match"),
    ([*COMPARE, "--masking", "uniform,spam"], "Did you mean 'span'?"),
    ([*NPMI, "--max-n", "13"], "--max-n"),
    ([*NPMI, "--max-n", "-1"], "--max-n"),
    ([*NPMI, "--min-count", "1"], "--min-count"),
    ([*NPMI, "--min-count", str(10**20)], "--min-count"),
    ([*NPMI, "--flank", "-1"], "--flank"),
    ([*NPMI, "--bed", "nothere.bed"], "nothere.bed: no such file"),
    (["npmi", "shw"], "Did you mean 'show'?"),
    (["npmi", "show", LONG], "no such file"),
    (["npmi", "show", "t.tsv", "--top", "0"], "--top"),
    (["npmi", "show", "t.tsv", "--top", str(10**30)], "--top"),
    (["npmi", "motifs", "t.tsv", "--jaspar", "nothere"], "nothere: no such file"),
    ([*MASKS, "--k", "9"], "--k"),
    ([*MASKS, "--k", "0"], "--k"),
    ([*MASKS, "--k", "six"], "--k"),
    ([*MASKS, "--seed", "-1"], "--seed"),
    ([*MASKS, "--rate", "x"], "--rate"),
    ([*MASKS, "--npmi", "nothere"], "nothere: no such file"),
    (["masks", "nothere.fa:chr1:1-10"], "nothere.fa: no such file"),
    (["masks", "https://x.org/a.fa:chr1:1-10"], "https://x.org/a.fa:chr1:1-10: URLs are not read"),
    (["masks"], "Missing argument"),
    (["demo", "--seed", str(2**63)], "--seed"),
    (FINETUNE, "m: no model here"),
    (FINETUNE[:-2], "Missing option"),
    ([*FINETUNE, "--valid", "nothere.tsv"], "nothere.tsv: no such file"),
    ([*FINETUNE, "--epochs", "0"], "--epochs"),
    ([*FINETUNE, "--batch-size", "99999999"], "--batch-size"),
    ([*FINETUNE, "--learning-rate", "fast"], "--learning-rate"),
    *(
        (
            [verb, "--model", "m", *more, "--learning-rate", rate],
            "--learning-rate must be above 0 and at most 1,000,000, ",
        )
        for verb, more in (("finetune", ("--train", "t.tsv")), ("glue", ()))
        for rate in ("nan", "inf", "0", "-1", "2e6")
    ),
    ([*FINETUNE, "--target", "x", "--label-column", "y"], "--target is for numbers, --label-column for classes"),
    ([*FINETUNE, "--out", "a.fa"], "is not a folder that you may write to"),
    (VARIANTS, "m: no model here"),
    ([*VARIANTS[:-1], "nothere.vcf"], "nothere.vcf: no such file"),
    ([*VARIANTS, "--mismatch", "ignore"], "--mismatch"),
    ([*VARIANTS, "--window", "-1"], "--window"),
    (VARIANTS[:-1], "Missing argument"),
    (["export", "--model", "m", "--to", "bert", "--out", "o"], "m: no model here"),
    (["export", "--model", "r", "--to", "bert", "--out", "o"], "the run has not finished"),
    (["export", "--model", "r", "--to", "brt", "--out", "o"], "--to"),
    (["export", "--model", "r", "--out", "o"], "Missing option '--to'. Choose from: mosaicbert, bert. See: "),
    (["doctor", "now"], "now"),
    (["pretrain", "--genome", "\x1b[31mred.fa"], r"\x1b[31mred.fa: no such file"),
    (["pretrain", "--\x1b[31m"], "No such option"),
]
GIVEN = ["finetune", "--model", "given", "--train", "t.tsv"]
UNTYPED = ["finetune", "--model", "untyped", "--train", "t.tsv"]
AFTER_TORCH = [
    ([*GIVEN, "--label-column", ","], "--label-column takes one name"),
    ([*GIVEN, "--label-column", "class"], "no column 'class' among: sequence, label"),
    ([*GIVEN, "--target", "sequence"], "row 2: the target 'ACGTACGT' is not a number"),
    ([*GIVEN, "--sequence-column", "dna"], "with --sequence-column"),
    (UNTYPED, "untyped/config.json: has no model_type"),
    *(([*MASKS, "--rate", rate], "--rate must be a number from 0 to 1") for rate in ("nan", "inf", "-1", "2")),
    ([*MASKS, "--masking", ",,"], "no strategy named"),
    ([*MASKS, "--out", "picture.bmp"], "a picture is saved as"),
    ([*MASKS, "--out", "a.fa/picture.svg"], "is not a folder that you may write to"),
    (["masks", "a.fa:x:1-10", "--out", "a.fa"], "would overwrite a file that this command uses"),
    ([*PRETRAIN, "--set", "training.stepz=1"], "Did you mean 'steps'?"),
    ([*PRETRAIN, "--set", "trainin.steps=1"], "Did you mean 'training'?"),
    ([*PRETRAIN, "--masking", "span:p=nan"], "p must lie between 0 and 1"),
    ([*FEWSHOT, "--shots", "999999999999"], "shots must be at most"),
    ([*FEWSHOT, "--shots", "1,1"], "shots must be different"),
    ([*COMPARE, "--masking", "uniform", "--recipe", "genome-demo"], "at least two different strategies"),
    (["npmi", "show", "t.tsv"], "is not an NPMI table"),
    (["npmi", "a.fa", "--out", "o", "--flank", "5"], "--flank adds bases to the regions of a BED file"),
]

SCRIPT = """
import contextlib, io, json, sys
from genomask.cli.app import main
answers = []
for line in json.load(sys.stdin):
    sys.argv = ["genomask", *line]
    with contextlib.redirect_stderr(io.StringIO()) as said, contextlib.redirect_stdout(io.StringIO()):
        try:
            main()
        except SystemExit as end:
            answers.append([end.code, said.getvalue(), sorted(set(sys.modules) & set(HEAVY))])
print(json.dumps(answers))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder of the command lines: genomes, a task, a run without a model, and folders without a model."""
    (tmp_path / "a.fa").write_text(">x\n" + 400 * "ACGTTGCAAC" + "\n")
    (tmp_path / "b:1.fa").write_text(">y\n" + 400 * "ACGTTGCAAC" + "\n")
    (tmp_path / "t.tsv").write_text(TABLE)
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "config.toml").write_text("")
    for name, config in {"given": {"model_type": "genomask-mosaicbert"}, "untyped": {}}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(json.dumps(config))
        KmerTokenizer(k=3).save_pretrained(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    logs = [logging.getLogger(name) for name in ("", "genomask")]
    before = [log.level for log in logs]
    yield tmp_path
    for log, level in zip(logs, before, strict=True):
        log.setLevel(level)


def test_names_and_paths_are_checked_before_anything_heavy_is_imported(folder):
    before = sorted(folder.rglob("*"))
    script = SCRIPT.replace("HEAVY", repr(HEAVY))
    lines = json.dumps([arguments for arguments, _ in BEFORE_TORCH])
    done = subprocess.run([sys.executable, "-c", script], input=lines, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for (arguments, words), (code, said, loaded) in zip(BEFORE_TORCH, json.loads(done.stdout), strict=True):
        what = f"{' '.join(arguments)[:80]}: {said}"
        assert (code, loaded) == (2, []), what
        assert said.startswith("error: "), what
        assert said.count("\n") == 1, what
        assert said[:-1].isprintable(), what
        assert words in said, what
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(("arguments", "words"), AFTER_TORCH)
def test_mistakes_that_only_the_rooms_can_find_are_one_line_as_well(folder, monkeypatch, capsys, arguments, words):
    before = sorted(folder.rglob("*"))
    monkeypatch.setattr(sys, "argv", ["genomask", "--quiet", *arguments])
    with pytest.raises(SystemExit) as end:
        cli.main()
    said = capsys.readouterr().err
    assert end.value.code == 2, said
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert words in said
    assert sorted(folder.rglob("*")) == before


def test_only_pretrain_is_started_by_a_launcher(folder, monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(sys, "argv", ["genomask", "embed", "a.fa", "--model", "model"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert (end.value.code, capsys.readouterr().err) == (
        2, "error: embed runs as one process, or starts its own; start it without torchrun, or unset WORLD_SIZE.\n"
    )  # fmt: skip


def test_standard_input_may_be_one_of_several_genomes():
    assert repeat_options(["doctor", "--genome", "-:2", "b:1", "-"]) == [
        *("doctor", "--genome", "-:2", "--genome", "b:1", "--genome", "-")
    ]


def test_quiet_and_verbose_may_stand_anywhere(folder, monkeypatch, capsys):
    assert repeat_options(["pretrain", "--genome", "a", "--quiet", "b", "--", "--verbose"]) == [
        *("--quiet", "pretrain", "--genome", "a", "--genome", "b", "--", "--verbose"),
    ]
    of_a_file = ["variants", "--model", "m", "--genome", "a", "b.vcf"]
    assert repeat_options(of_a_file) == of_a_file
    levels = []
    monkeypatch.setattr("genomask.files.inputs.require_sequence", lambda _: levels.append(log.getEffectiveLevel()))
    log = logging.getLogger("genomask.masking")
    for option in ("--quiet", "--verbose", "--seed=0"):
        monkeypatch.setattr(sys, "argv", ["genomask", "masks", "ACGT", option])
        with pytest.raises(SystemExit):
            cli.main()
    assert levels == [logging.ERROR, logging.DEBUG, logging.INFO]


def test_the_words_that_options_take_are_those_that_the_rooms_know():
    assert set(inputs.strategy_names()) == {*STRATEGIES, *CURRICULA}
    assert LONGEST_WORDS == MAX_N
    assert set(BACKENDS) | {"auto"} == set(BACKEND_NAMES)
    assert get_args(get_type_hints(fewshot.fewshot)["pooling"]) == POOLINGS
    assert get_args(get_type_hints(masks.masks)["match"]) == get_args(Match)
    assert get_type_hints(compare.compare)["match"] == Match | None
    assert set(get_args(get_type_hints(export.export)["to"])) == set(EXPORTS)


def test_help_has_a_sentence_for_every_option():
    for name, command in COMMANDS.items():
        for option in command.params:
            assert option.name == "help" or option.help.endswith("."), (name, option.name)


def test_a_run_stands_for_the_model_in_it(folder):
    assert inputs.model_folder("r") == Path("r/model")
    (folder / "r" / "model").mkdir()
    (folder / "r" / "model" / "config.json").write_text("{}")
    inputs.require_model(inputs.model_folder("r"))
    assert inputs.model_folder("r/model") == Path("r/model")
    assert inputs.model_folder("elsewhere") == Path("elsewhere")


UNEXPECTED = [
    PermissionError(13, "Permission denied", "a.fa"),
    OSError("odd"),
    MemoryError(),
    RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: 8 PB"),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 7.79 GiB"),
]


@pytest.mark.parametrize("error", UNEXPECTED)
def test_an_unexpected_error_of_the_system_is_one_line(folder, monkeypatch, capsys, error):
    def fail(_):
        raise error

    monkeypatch.setattr("genomask.files.inputs.require_sequence", fail)
    monkeypatch.setattr(sys, "argv", ["genomask", "masks", "ACGT"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    said = capsys.readouterr().err
    assert end.value.code == 2
    assert said.startswith("error: ")
    assert said.count("\n") == 1


def test_a_shell_completes_verbs_and_options():
    for typed, wanted in (
        ("genomask pre", "pretrain"),
        ("genomask npmi sh", "show"),
        ("genomask masks --mat", "--match"),
    ):
        asked = {"_GENOMASK_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split()) - 1)}
        found = CliRunner().invoke(cli.app, [], env=asked, prog_name="genomask")
        assert wanted in found.output.split()
