"""Each given option reaches the room that does the work: without it, the room is called with other arguments."""

from itertools import chain

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from genomask.cli import app as cli

APP = get_command(cli.app)
READ = {"--genome": ["g.fa"], "--sequence-column": ["dna"], "--ambiguous": ["n"], "--both-strands": []}
TASK = {"--model": ["m"], "--train": ["t.tsv"]}
TRAINED = {"--schedule": ["published"], "--out": ["o"]}
ONE_RATE = {"--learning-rate": ["0.5"], "--epochs": ["7"], "--resume": []}

GIVEN = [
    (
        "embed t.tsv",
        "genomask.commands.embed.embed",
        {"--model": ["m"], "--pooling": ["cls"], "--out": ["v.npy"], **READ},
    ),
    ("predict t.tsv", "genomask.commands.predict.predict", {"--model": ["m"], "--out": ["v.tsv"], **READ}),
    (
        "leaks t.tsv g.fa",
        "genomask.commands.leaks.find_leaks",
        {"--out": ["o.tsv"], "--sequence-column": ["dna"], "--ambiguous": ["n"]},
    ),
    (
        "variants t.tsv",
        "genomask.commands.variants.variants.score_vcf",
        {"--model": ["m"], "--genome": ["g.fa"], "--out": ["o.tsv"], "--mismatch": ["skip"], "--evaluate": ["AF<0.1"],
         "--window": ["60"], "--ambiguous": ["n"]},
    ),
    (
        "masks ACGT",
        "genomask.commands.masks.draw_masks",
        {"--masking": ["span"], "--k": ["3"], "--rate": ["0.2"], "--match": ["bases"], "--npmi": ["t.tsv"],
         "--genome": ["g.fa"], "--ambiguous": ["n"], "--seed": ["1"], "--out": ["o.svg"]},
    ),
    (
        "npmi count g.fa",
        "genomask.commands.npmi.count_words",
        {"--out": ["o.npmi"], "--max-n": ["4"], "--definition": ["released"], "--strand": ["both"],
         "--bed": ["t.tsv"], "--min-count": ["9"], "--tsv": ["o.tsv"], "--ambiguous": ["n"]},
    ),
    ("npmi count g.fa --out o.npmi --bed t.tsv", "genomask.commands.npmi.count_words", {"--flank": ["2"]}),
    ("npmi show t.tsv", "genomask.commands.npmi.best_words", {"--top": ["9"], "--n": ["3"], "--tsv": ["o.tsv"]}),
    (
        "npmi motifs t.tsv",
        "genomask.commands.motifs.enrichment.tested_motifs",
        {"--jaspar": ["g.fa"], "--n": ["3"], "--top": ["9"], "--match-fraction": ["0.2"], "--out": ["o.csv"]},
    ),
    (
        "tokenizer train g.fa",
        "genomask.commands.tokenizer.train_tokenizer",
        {"--out": ["o"], "--vocab-size": ["64"], "--ambiguous": ["n"], "--seed": ["1"]},
    ),
    (
        "finetune",
        "genomask.commands.finetune.finetune.finetune",
        {**TASK, "--valid": ["g.fa"], "--label-column": ["kind"], "--sequence-column": ["dna"],
         "--batch-size": ["3"], "--seed": ["1"], **TRAINED, **ONE_RATE},
    ),
    ("finetune --model m --train t.tsv", "genomask.commands.finetune.finetune.finetune", {"--target": ["strength"]}),
    (
        "fewshot",
        "genomask.commands.fewshot.measure",
        {**TASK, "--test": ["g.fa"], "--shots": ["5"], "--draws": ["2"], "--methods": ["gc"],
         "--sequence-column": ["dna"], "--label-column": ["kind"], "--pooling": ["cls"], **TRAINED},
    ),
    (
        "bench m",
        "genomask.commands.bench.bench.bench",
        {"--model": ["m"], "--genome": ["g.fa"], "--methods": ["gc"], "--seeds": ["2"], **TRAINED},
    ),
    (
        "glue",
        "genomask.commands.glue.glue.glue",
        {"--model": ["m"], "--tasks": ["RTE"], "--data": ["m"], "--seeds": ["2"], "--mnli": ["other"],
         "--out": ["o"], **ONE_RATE},
    ),
]  # fmt: skip


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder of the command lines: a genome, a table, two models."""
    (tmp_path / "g.fa").write_text(">x\nACGT\n")
    (tmp_path / "t.tsv").write_text("sequence\tlabel\nACGT\t1\n")
    for name in ("m", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("genomask.data.glue.chosen", lambda names, _: names)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("words", "room", "options"), GIVEN, ids=[words for words, _, _ in GIVEN])
def test_without_an_option_the_room_is_called_with_other_arguments(words, room, options, monkeypatch):
    heard = []
    monkeypatch.setattr(room, lambda *asked, **named: heard.append(repr((asked, named))) or "")

    def asked_with(given):
        said = CliRunner().invoke(cli.app, [*words.split(), *chain.from_iterable([k, *v] for k, v in given.items())])
        assert said.exit_code == 0, (said.output, said.exception)
        return heard.pop()

    whole = asked_with(options)
    required = {option.opts[0] for option in command_of(words).params if option.required}
    for left_out in options.keys() - required:
        assert asked_with({name: value for name, value in options.items() if name != left_out}) != whole, left_out


def test_every_option_of_these_verbs_is_tested_here():
    given = {}
    for words, _, options in GIVEN:
        given.setdefault(command_of(words), set()).update(options)
    for command, options in given.items():
        there = {option.opts[0] for option in command.params if option.param_type_name == "option"}
        assert there - {"--help"} == options, command.name


def command_of(words):
    first, second, *_ = [*words.split(), ""]
    found = APP.commands[first]
    return found.commands[second] if second in getattr(found, "commands", {}) else found
