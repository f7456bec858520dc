import subprocess
import sys
from dataclasses import replace

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from genomask import __version__
from genomask.cli import app as cli
from genomask.cli.options import MANY_VALUES, MOST_SEED, WITH_A_FILE, read_numbers
from genomask.errors import SettingsError, Stopped
from genomask.masking.settings import MaskSettings
from genomask.recipe import load_recipe, recipe_to_toml

HERE = __file__  # a file that exists; every command here ends before it is read
COMPARE = ["compare", "--genome", HERE, "--train", HERE, "--test", HERE]


def test_help_loads_none_of_the_slow_packages():
    command = [sys.executable, "-X", "importtime", "-m", "genomask", "--help"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0
    assert all(verb in result.stdout for verb in ("pretrain", "fewshot", "compare", "demo", "doctor"))
    loaded = {line.rsplit("|")[-1].strip().split(".")[0] for line in result.stderr.splitlines()}
    assert "typer" in loaded
    assert not loaded & {"torch", "transformers", "numba", "numpy", "pandas", "sklearn", "matplotlib", "Bio"}


def test_the_version_is_printed():
    said = CliRunner().invoke(cli.app, ["--version"])
    assert (said.exit_code, said.output) == (0, f"genomask {__version__}\n")


def test_the_help_of_leaks_which_takes_no_model_does_not_mention_models():
    said = CliRunner().invoke(cli.app, ["leaks", "--help"]).output
    assert "--sequence-column" in said
    assert "model" not in said


def test_an_option_takes_the_files_that_a_shell_pattern_gives():
    assert cli.repeat_options(["pretrain", "--genome", "a.fa", "b.fa", "--out", "x", "--resume"]) == [
        "pretrain", "--genome", "a.fa", "--genome", "b.fa", "--out", "x", "--resume",
    ]  # fmt: skip
    assert cli.repeat_options(["fewshot", "--train", "a"]) == ["fewshot", "--train", "a"]


def test_three_dots_mark_the_options_that_take_several_values():
    for verb, command in get_command(cli.app).commands.items():
        for option in command.params:
            if option.opts[0] in MANY_VALUES:
                assert option.metavar.endswith("...") == (verb not in WITH_A_FILE), verb


def test_lists_of_numbers_are_read_or_refused_by_option_name():
    assert read_numbers("10, 50", "--shots") == (10, 50)
    with pytest.raises(SettingsError, match="--shots takes whole numbers"):
        read_numbers("10;50", "--shots")


def asked_of_compare(monkeypatch, *arguments):
    """The Comparison that `compare ...` would run."""
    asked = []

    def note(comparison):
        asked.append(comparison)
        raise SettingsError("asked; nothing is run")

    monkeypatch.setattr("genomask.commands.compare.comparison.compare", note)
    CliRunner().invoke(cli.app, [*COMPARE, *arguments])
    return asked[0]


def test_compare_matches_by_the_recipe_unless_the_option_is_given(tmp_path, monkeypatch):
    recipe = tmp_path / "mine.toml"
    recipe.write_text(recipe_to_toml(replace(load_recipe("genome-tiny"), masking=MaskSettings(match="none"))))
    tiny, bases = ["--recipe", "genome-tiny"], ["--set", "masking.match=bases"]
    for arguments, match in (
        (tiny, "tokens"),
        ([*tiny, *bases], "bases"),
        (["--recipe", str(recipe)], "none"),
        ([*tiny, "--match", "none"], "none"),
    ):
        assert asked_of_compare(monkeypatch, *arguments).recipe.masking.match == match


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "masking: random-span, 15 % of the tokens (the recipe's default): "),
        (["--masking", "genemask"], "masking: genemask, 15 % of the tokens (asked for): "),
        (["--set", "masking.strategy=uniform"], "masking: uniform, 15 % of the tokens (asked for): "),
        (["--set", "masking.mask_rate=0.2"], "masking: random-span, 20 % of the tokens (the recipe's default): "),
    ],
)
def test_pretrain_logs_whether_its_mask_was_asked_for_or_is_the_recipes_default(
    monkeypatch, caplog, tmp_path, arguments, said
):
    monkeypatch.setattr("genomask.commands.pretrain.pretrain", lambda *_, **__: None)
    monkeypatch.setattr("genomask.commands.run_folder.report.report_run", lambda out: [])
    genome = tmp_path / "x.fa"
    genome.write_text(">x\nACGT\n")
    with caplog.at_level("INFO", logger="genomask"):
        CliRunner().invoke(cli.app, ["pretrain", "--genome", str(genome), "--recipe", "genome-tiny", *arguments])
    assert said in caplog.text


@pytest.mark.parametrize("verb", [["masks", "ACGTACGTAC", "--masking", "uniform"], ["demo"]])
@pytest.mark.parametrize("seed", [2**63, -1])
def test_a_seed_that_no_key_can_be_made_of_is_refused(tmp_path, verb, seed):
    said = CliRunner().invoke(cli.app, [*verb, "--seed", str(seed), "--out", str(tmp_path / "out.svg")])
    assert said.exit_code == 2
    assert "Invalid value for '--seed'" in said.output
    assert not list(tmp_path.iterdir())


def test_the_highest_seed_makes_a_mask(tmp_path):
    asked = ["masks", "ACGTACGTAC", "--masking", "uniform", "--out", str(tmp_path / "masks.svg")]
    assert CliRunner().invoke(cli.app, [*asked, "--seed", str(MOST_SEED)]).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["pretrain"], "either --genome FASTA or --corpus SHARDS"),
        (["pretrain", "--genome", "nowhere.fa", "--recipe", "genome-tiny"], "nowhere.fa: no such file"),
        (["pretrain", "--genome", HERE, "--recipe", "c4-tiny"], "recipe c4-tiny is for text"),
        (["pretrain", "--genome", HERE, "--set", "training.stepz=1"], "no key 'stepz'"),
        (
            [*COMPARE, "--recipe", "genome-tiny", "--masking", "span,cm-step:first=(nope:words=(a,b)):at=9"],
            "unknown masking strategy 'nope'",
        ),
        (["fewshot", "--model", "nowhere", "--train", HERE, "--test", HERE], "nowhere: no model"),
        ([*COMPARE, "--genome", "x.fa", "--recipe", "genome-tiny"], "x.fa: no such file"),
        ([*COMPARE, "--recipe", "genome-tiny", "--masking", "nope"], "unknown masking strategy 'nope'"),
    ],
)
def test_a_mistake_is_one_line_on_stderr_and_exit_2(tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.setattr(sys, "argv", ["genomask", *arguments, "--out", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    assert_one_line(capsys.readouterr().err, words)


@pytest.mark.parametrize(
    ("raised", "code"), [(KeyboardInterrupt(), 130), (Stopped(15, "stopped; continue with --resume"), 143)]
)
def test_a_signal_during_compiled_code_ends_with_the_usual_exit_code(monkeypatch, raised, code):
    def interrupted(*_, **__):
        raise SystemError("CPUDispatcher(...) returned a result with an exception set") from raised

    monkeypatch.setattr(cli, "app", interrupted)
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == code


def test_any_other_system_error_is_raised_unchanged(monkeypatch):
    def broken(*_, **__):
        raise SystemError("a bug")

    monkeypatch.setattr(cli, "app", broken)
    with pytest.raises(SystemError, match="a bug"):
        cli.main()


def test_a_mistake_in_a_separate_process_is_one_line_on_stderr_and_exit_2(tmp_path):
    command = [sys.executable, "-m", "genomask", "fewshot", "--model", "nowhere", "--train", HERE, "--test", HERE]
    result = subprocess.run([*command, "--out", str(tmp_path / "out")], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert_one_line(result.stderr, "nowhere: no model")


def assert_one_line(said: str, words: str) -> None:
    assert words in said
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert "Traceback" not in said
