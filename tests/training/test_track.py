import json
import sys
from types import ModuleType

import pytest

from genomask.errors import DataError, SettingsError
from genomask.training import track
from genomask.training.track import require_tracker, tracking

ROWS = [{"step": 5, "loss": 2.5, "tokens": 100}, {"step": 5, "eval_loss": 2.75}, {"step": 10, "loss": 2.25}]


@pytest.fixture
def run(tmp_path):
    """The folder of a run that has begun."""
    (tmp_path / "config.toml").write_text('kind = "genome"\n[training]\nsteps = 10\n')
    (tmp_path / "environment.json").write_text(json.dumps({"date": "2026-11-28"}))
    return tmp_path


def scalars(folder, name):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(name)]


def test_tensorboard_has_numbers_at_their_steps_and_a_resumed_run_replaces_later_ones(run):
    pytest.importorskip("tensorboard", reason="pip install 'genomask[track]'")
    with tracking("tensorboard", run) as tracker:
        tracker.begin(1)
        for row in ROWS:
            tracker.tell(row)
    assert scalars(run / "tensorboard", "loss") == [(5, 2.5), (10, 2.25)]
    assert scalars(run / "tensorboard", "eval_loss") == [(5, 2.75)]
    with tracking("tensorboard", run) as tracker:
        tracker.begin(6)
        tracker.tell({"step": 10, "loss": 2.0})
    assert scalars(run / "tensorboard", "loss") == [(5, 2.5), (10, 2.0)]


@pytest.mark.slow
def test_wandb_offline_holds_the_rows_and_the_settings(run, monkeypatch):
    wandb = pytest.importorskip("wandb", reason="pip install 'genomask[track]'")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    with tracking("wandb", run) as tracker:
        tracker.begin(1)
        for row in ROWS:
            tracker.tell(row)
    wandb.teardown()  # as at the end of the process: then all of it is on disk
    [log] = run.glob("wandb/offline-run-*/run-*.wandb")
    content = log.read_bytes()
    assert [word for word in (b"eval_loss", b"2.25", b"training", b"genome") if word not in content] == []


def test_wandb_refuses_a_run_whose_start_date_is_lost(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", ModuleType("wandb"))
    (run / "environment.json").write_text("{}")
    with (
        tracking("wandb", run) as tracker,
        pytest.raises(DataError, match=r"environment\.json: the run's start date"),
    ):
        tracker.begin(1)


def test_a_tracker_that_cannot_start_is_one_clear_error_with_its_reason(run, monkeypatch):
    wandb = ModuleType("wandb")

    def init(**_):
        raise RuntimeError("api_key not configured\n  (no-tty)")

    monkeypatch.setattr(wandb, "init", init, raising=False)
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    sentence = r"--track wandb cannot start \(RuntimeError: api_key not configured \(no-tty\)\); fix that, or leave it"
    with tracking("wandb", run) as tracker, pytest.raises(SettingsError, match=sentence):
        tracker.begin(1)


def test_a_tracker_is_closed_even_if_the_run_fails_and_opened_only_with_a_name(run, monkeypatch):
    said = []

    class Fake:
        def __init__(self, out, first_step):
            said.append((out, first_step))

        def log(self, row):
            said.append(row["loss"])

        def close(self, *, failed):
            said.append(failed)

    monkeypatch.setitem(track.TRACKERS, "wandb", Fake)
    with tracking("wandb", run) as tracker:
        tracker.begin(5)
        tracker.tell(ROWS[0])
    assert said == [(run, 5), 2.5, False]
    said.clear()
    with pytest.raises(KeyError), tracking("wandb", run) as tracker:  # noqa: PT012 - within the block it fails
        tracker.begin(5)
        tracker.tell({"step": 5})
    assert said == [(run, 5), True]
    with tracking("", run) as tracker:
        tracker.begin(5)
        tracker.tell(ROWS[0])
    assert len(said) == 2


def test_a_package_that_is_missing_is_named_with_the_extra(monkeypatch):
    monkeypatch.setattr(track, "find_spec", lambda _: None)
    require_tracker("")
    with pytest.raises(SettingsError, match=r"--track wandb needs .*pip install 'genomask\[track\]'"):
        require_tracker("wandb")
    with pytest.raises(SettingsError, match="takes tensorboard or wandb, got 'mlflow'"):
        require_tracker("mlflow")
