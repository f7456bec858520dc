import json
import sys

import pytest

from genomask.cli import app as cli
from genomask.commands.genome_report import genome_report, keep_manifest
from genomask.data.opening import Inputs
from genomask.recipe import load_recipe
from genomask.settings.recipe_file import default_recipe


@pytest.fixture
def genome(tmp_path):
    (tmp_path / "g.fa").write_text(">a\n" + "GATTACANGC" * 30 + "ACGTTGCA" * 200 + "\n")
    return tmp_path / "g.fa"


def test_doctor_says_what_a_genome_is_made_of(genome, monkeypatch, capsys):
    asked = ["--recipe", "genome-demo", "--set", "windows.max_tokens=40", "--set", "windows.validation_windows=1"]
    monkeypatch.setattr(sys, "argv", ["genomask", "doctor", "--genome", str(genome), *asked])
    with pytest.raises(SystemExit) as end:
        cli.main()
    said = capsys.readouterr().out
    assert not end.value.code
    for words in ("g.fa", "1,900", "1,870", "validation windows", "Windows of genome-demo"):
        assert words in said


@pytest.mark.parametrize("has_gpu", [False, True])
def test_windows_are_those_of_this_machines_recipe_unless_one_is_named(genome, monkeypatch, has_gpu):
    monkeypatch.setattr("torch.cuda.is_available", lambda: has_gpu)
    changes = ["windows.max_tokens=40", "windows.validation_windows=1"]
    *_, windows = genome_report(Inputs(genome=(str(genome),)), "", changes)
    assert str(windows.title) == f"Windows of {default_recipe('genome', has_gpu=has_gpu)}"


def test_a_genome_without_room_for_windows_is_described_all_the_same(genome, monkeypatch, capsys):
    asked = ["--recipe", "genome-demo", "--set", "windows.max_tokens=4000"]
    asked += ["--set", "training.tokens_per_microbatch=5000"]
    monkeypatch.setattr(sys, "argv", ["genomask", "doctor", "--genome", str(genome), *asked])
    with pytest.raises(SystemExit) as end:
        cli.main()
    said = capsys.readouterr()
    assert end.value.code == 2
    assert "1,870" in said.out
    assert "the genome is shorter than one window" in said.err


def test_settings_of_windows_without_a_genome_are_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["genomask", "doctor", "--recipe", "genome-demo"])
    with pytest.raises(SystemExit):
        cli.main()
    assert "give one with --genome" in capsys.readouterr().err


def test_a_run_keeps_the_same_figures_of_its_genome(genome, tmp_path):
    inputs = Inputs(genome=(str(genome),))
    changes = ["windows.max_tokens=40", "windows.validation_windows=1"]
    keep_manifest(tmp_path, load_recipe("genome-demo", changes).open_source(inputs, tmp_path))
    kept = json.loads((tmp_path / "genome.json").read_text())
    assert (kept["bases"], kept["acgt"], kept["n"], kept["windows"]["validation_windows"]) == (1_900, 1_870, 30, 1)
