"""The benchmark of a real run on a GPU: what it reports of few rows, and that results are written before it goes on."""

import subprocess
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file

from genomask.errors import TrainingError


@pytest.fixture
def gpu_run(script):
    return script("gpu_run")


class Command:
    """A process that ends with the given status when it is waited for; with None, only when killed."""

    def __init__(self, status=0):
        self.status, self.killed, self.returncode = status, False, None

    poll = lambda self: self.returncode  # noqa: E731
    send_signal = lambda self, number: None  # noqa: E731

    def kill(self):
        self.killed = True

    def wait(self, timeout=None):
        if self.killed:
            self.returncode = -9
        elif self.status is None:
            raise subprocess.TimeoutExpired("genomask", timeout)
        else:
            self.returncode = self.status
        return self.returncode


@pytest.fixture
def logged(gpu_run, monkeypatch):
    """A run whose first row comes after 70 s, then one every 2 s; a second passes between two looks."""
    now = [0.0]
    clock = SimpleNamespace(
        time=lambda: now[0], perf_counter=lambda: now[0], sleep=lambda _: now.__setitem__(0, now[0] + 1)
    )
    monkeypatch.setattr(gpu_run, "time", clock)
    monkeypatch.setattr(gpu_run, "begin", lambda *_: Command())
    monkeypatch.setattr(gpu_run, "trained", lambda _: [100 * n for n in range(1, 1 + max(0, int(now[0] - 68) // 2))])
    return now


def spoken(gpu_run, tmp_path, monkeypatch, until):
    """What was kept, in order, with "alone" where the steps alone were timed."""
    kept = []
    monkeypatch.setattr(gpu_run, "alone", lambda *_: kept.append("alone") or (900.0, 50.0))
    gpu_run.speed(tmp_path, tmp_path, [], 30.0, until, lambda rows, verdict: kept.append((rows, verdict)))
    return kept


def test_a_run_is_watched_from_its_first_row_on_and_written_before_the_steps_alone(
    gpu_run, logged, tmp_path, monkeypatch
):
    (first, _), between, (rows, verdict) = spoken(gpu_run, tmp_path, monkeypatch, 1e9)
    assert (first, between) == (rows[:2], "alone")
    assert rows[0]["s"] == pytest.approx(30, abs=2)
    assert rows[0]["logged_rows"] == 16
    assert rows[0]["tokens_per_s"] == pytest.approx(50)
    assert rows[1]["s"] == 70
    assert verdict == ["the whole run trains 100.0% of the tokens a second of its steps alone (goal 95 %)"]


@pytest.mark.parametrize(("seconds", "said"), [(76, "4 logged rows in 6.0 s"), (60, "0 logged rows in 0.0 s")])
def test_few_rows_give_no_verdict_but_are_written(gpu_run, logged, tmp_path, monkeypatch, seconds, said):
    _, _, (rows, verdict) = spoken(gpu_run, tmp_path, monkeypatch, seconds + gpu_run.ALONE_S)
    assert verdict == [f"no verdict: {said} of the whole run; at least 5 in 10 s are needed"]
    assert rows[0]["logged_rows"] == int(said[0])
    assert rows[-2]["tokens_per_s"] == 50.0


def test_rows_of_a_run_that_failed_are_kept(gpu_run, logged, tmp_path, monkeypatch):
    kept = []
    monkeypatch.setattr(gpu_run, "begin", lambda *_: Command(status=2))
    with pytest.raises(TrainingError, match="ended with status 2"):
        gpu_run.speed(tmp_path, tmp_path, [], 30.0, 1e9, lambda *said: kept.append(said))
    [(rows, verdict)] = kept
    assert rows[0]["tokens_per_s"] == pytest.approx(50)
    assert verdict == ["no verdict: the steps alone were not timed"]


def resumed(gpu_run, folder, monkeypatch, commands, until=float("inf")):
    kept, begun = [], iter(commands)
    monkeypatch.setattr(gpu_run, "begin", lambda *_: next(begun))
    try:
        gpu_run.resume(folder, folder, [], until, lambda rows, verdict: kept.append((list(rows), list(verdict))))
    except TrainingError as error:
        return kept, str(error)
    return kept, ""


@pytest.fixture
def runs(tmp_path):
    """The folders of two runs of equal weights, and of a killed one with a checkpoint and no model yet."""
    for name in ("one", "two"):
        (tmp_path / name / "model").mkdir(parents=True)
        save_file({"w": torch.ones(3)}, tmp_path / name / "model" / "model.safetensors")
    (tmp_path / "killed" / "checkpoints" / "step-2").mkdir(parents=True)
    return tmp_path


def test_where_an_unbroken_run_fails_no_run_is_left_behind(gpu_run, runs, monkeypatch):
    commands = [Command(status=1), Command(), Command(), Command(status=None)]
    _, error = resumed(gpu_run, runs, monkeypatch, commands)
    assert error == "runs ended with status {'one': 1}"
    assert commands[3].killed


def test_a_resumed_run_is_killed_when_time_is_up_and_the_unbroken_ones_are_compared(gpu_run, runs, monkeypatch):
    late = Command(status=None)
    commands = [Command(), Command(), Command(), late]
    kept, error = resumed(gpu_run, runs, monkeypatch, commands, until=0.0)
    assert late.killed
    assert error == "runs ended with status {'killed': -9}"
    assert [row["what"] for row in kept[0][0]] == ["unbroken, once more"]
    assert kept[-1] == (
        kept[0][0],
        [
            "unbroken, once more: bit-equal to an unbroken run",
            "killed and resumed: no verdict, runs ended with status {'killed': -9}",
        ],
    )


def test_where_no_checkpoint_came_in_time_no_run_is_left_behind(gpu_run, runs, monkeypatch):
    (runs / "killed" / "checkpoints" / "step-2").rmdir()
    commands = [Command(status=None) for _ in range(3)]
    kept, error = resumed(gpu_run, runs, monkeypatch, commands, until=0.0)
    assert (kept, error) == ([], "the run had no checkpoint to be killed after")
    assert all(command.killed for command in commands)
