"""`genomask runs`: finished, unfinished, damaged and earlier versions' runs, in a table, a picture and sentences."""

import errno
import json

import pytest
from typer.testing import CliRunner

from genomask.cli.app import app
from genomask.commands import runs
from genomask.commands.runs import show_runs
from genomask.errors import DataError, SettingsError
from genomask.recipe import load_recipe, recipe_to_toml

LOSS, BITS = "eval_loss_nats_per_masked_token", "eval_bits_per_hidden_base"


@pytest.fixture
def make(tmp_path):
    def made(name, strategy="uniform", steps=20, asked=20, seed=0):
        folder = tmp_path / "runs" / name
        changes = [f"masking.strategy={strategy}", f"training.steps={asked}", f"training.seed={seed}"]
        (folder / "model").mkdir(parents=True)
        (folder / "config.toml").write_text(recipe_to_toml(load_recipe("genome-demo", changes)))
        rows = []
        for step in range(10, steps + 1, 10):
            rows.append(
                {"step": step, "tokens": 100 * step, "tokens_per_second": 50.0, "loss_nats_per_masked_token": 3.0}
            )
            rows.append({"step": step, LOSS: 3 - step / 100, BITS: 2 - step / 1_000})
        (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        if steps == asked:
            for file in ("config.json", "model.safetensors"):
                (folder / "model" / file).touch()
        return folder

    return made


def cells(table):
    return list(zip(*(column.cells for column in table.columns), strict=True))


def rows_of(table):
    return [tuple(map(str, row)) for row in cells(table)]


def test_runs_are_listed_with_their_last_scores_and_drawn(make, tmp_path):
    make("a")
    make("b", "random-span", seed=3)
    table, said = show_runs([tmp_path / "runs"], tmp_path / "out.svg")
    assert rows_of(table) == [
        ("a", "uniform", "0", "20", "2,000", "50", "2.850", "1.9850"),
        ("b", "random-span", "3", "20", "2,000", "50", "2.850", "1.9850"),
    ]
    assert "out.svg" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.png", "out.svg", "runs"]
    list(show_runs([tmp_path / "runs"], tmp_path / "out"))  # its own pictures are replaced


def test_each_run_is_listed_once_and_runs_of_one_name_with_their_folders(make, tmp_path):
    make("x/a")
    make("y/a")
    (tmp_path / "link").symlink_to(tmp_path / "runs")
    table = next(show_runs([tmp_path / "link" / "y" / "a", tmp_path / "runs"], tmp_path / "out"))
    assert [row[0] for row in rows_of(table)] == ["y/a", "x/a"]


def test_the_table_and_remarks_are_shown_before_the_error_of_a_full_disk(make, tmp_path, monkeypatch):
    def full(_, __, path):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    make("a", steps=10)
    monkeypatch.setattr(runs, "run_curves", full)
    parts = show_runs([tmp_path / "runs"], tmp_path / "out")
    assert len(rows_of(next(parts))) == 1
    assert "not finished" in next(parts)
    with pytest.raises(SettingsError, match=r"--out .*out.svg cannot be written \(No space left"):
        next(parts)


def test_unfinished_damaged_and_unreadable_runs_are_named(make, tmp_path):
    make("good")
    make("short", steps=10)
    (make("unsaved") / "model" / "model.safetensors").unlink()
    with (make("torn") / "metrics.jsonl").open("a") as file:
        file.write('{"step": 2')
    (make("bad") / "config.toml").write_text("[masking]\nstrategy = 5\n")
    (make("empty") / "metrics.jsonl").write_text("")
    _, *said = map(str, show_runs([tmp_path / "runs"], tmp_path / "out"))
    text = "\n".join(said)
    assert "short: not finished, 10 of 20 steps logged." in text
    assert "unsaved: not finished, 20 of 20 steps logged." in text
    assert "torn: left out: 1 damaged line of metrics.jsonl." in text
    assert "config.toml: not the settings of a run" in text
    assert "empty: no step is logged yet" in text
    assert "good" not in text


def test_a_run_of_an_earlier_version_is_drawn(make, tmp_path):
    config = make("old") / "config.toml"
    config.write_text(config.read_text().replace("full_fraction", "full_share"))
    table, _ = show_runs([tmp_path / "runs"], tmp_path / "out")
    assert len(rows_of(table)) == 1


def test_without_a_run_or_a_place_for_the_picture_nothing_is_written(make, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no run here"):
        list(show_runs([tmp_path / "empty"], tmp_path / "out"))
    make("a")
    (tmp_path / "mine.svg").write_text("<svg>mine</svg>")
    with pytest.raises(SettingsError, match="already exists and is not a picture that genomask runs drew"):
        list(show_runs([tmp_path / "runs"], tmp_path / "mine"))
    assert not (tmp_path / "mine.png").exists()
    result = CliRunner().invoke(app, ["runs", str(tmp_path / "run")])
    assert isinstance(result.exception, DataError)
    assert "no such folder" in str(result.exception)
    assert "Did you mean 'runs'?" in str(result.exception)
