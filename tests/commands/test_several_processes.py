"""Runs of 1, 2 and 4 processes: the same windows and masks, weights the same to rounding, and none left waiting."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from launcher import launch
from quick_settings import QUICK
from safetensors.torch import load_file

from genomask.training.metrics_log import read_metrics

ROUNDING = 2e-5
"""For weights after 20 steps at 3e-3 in fp32, and losses, relative; measured 1.2e-7 and 1.1e-7 for four processes."""


class Runs:
    """Runs of one recipe in folders of one parent, by name."""

    def __init__(self, folder: Path, genome: Path) -> None:
        self.folder = folder
        changes = [*QUICK, "training.precision=fp32", "training.device=cpu"]
        settings = [word for change in changes for word in ("--set", change)]
        self.arguments = ["pretrain", "--genome", str(genome), "--recipe", "genome-demo", *settings]

    def __call__(self, name: str, n: int, *more: str, **how: object) -> list[int | None]:
        """Exit codes of one start; `said` then holds what it printed."""
        launched = launch([*self.arguments, "--out", str(self.folder / name), *more], self.folder, n, **how)
        codes = launched.wait()
        self.said = launched.said()
        return codes

    def losses(self, name: str) -> list[float]:
        """The loss of every step."""
        rows = read_metrics(self.folder / name / "metrics.jsonl")
        return [row["loss_nats_per_masked_token"] for row in rows if "loss_nats_per_masked_token" in row]

    def weights(self, name: str) -> dict[str, torch.Tensor]:
        """The weights of the final model."""
        return load_file(self.folder / name / "model" / "model.safetensors")

    def apart(self, a: str, b: str) -> float:
        """The largest difference in a weight."""
        one, two = self.weights(a), self.weights(b)
        return max(float((one[name] - two[name]).abs().max()) for name in one)


@pytest.fixture(scope="module")
def runs(tmp_path_factory, simulated) -> Runs:
    made = Runs(tmp_path_factory.mktemp("several"), simulated.genome)
    assert made("alone", 1) == [0]
    return made


def counted(row):
    """The counts in a row, without sums of floats."""
    exact = ("step", "tokens", "tokens_masked_fraction", "bases_hidden_fraction", "bases_hidden_kept_fraction")
    return {key: value for key, value in row.items() if key in exact}


def scored(row):
    """The scores of an evaluation; empty for a row of training."""
    return {key: value for key, value in row.items() if key.startswith("eval_")}


def test_two_and_four_processes_train_as_one_does(runs):
    assert runs("two", 2) == [0, 0]
    assert runs.said[1] == ""  # only the main process prints
    assert runs("four", 4) == [0] * 4
    for name in ("two", "four"):
        assert runs.losses(name) == pytest.approx(runs.losses("alone"), rel=ROUNDING)
        assert runs.apart(name, "alone") < ROUNDING
        ours, theirs = (read_metrics(runs.folder / x / "metrics.jsonl") for x in (name, "alone"))
        for mine, other in zip(ours, theirs, strict=True):  # every count of what was masked and hidden is the same
            assert counted(mine) == counted(other)
            assert scored(mine) == pytest.approx(scored(other), abs=1e-4)
    assert json.loads((runs.folder / "four" / "environment.json").read_text())["processes"] == 4


def test_four_processes_that_were_stopped_end_with_the_bits_of_four_that_were_not(runs):
    if not (runs.folder / "four").exists():
        assert runs("four", 4) == [0] * 4
    assert runs("again", 4, stop=(2, 7)) == [128 + signal.SIGTERM] * 4
    assert [text for text in runs.said if text] == ["stopped after step 7; continue with --resume"]
    assert runs("again", 4, "--resume") == [0] * 4
    assert runs.losses("again") == runs.losses("four")
    assert runs.apart("again", "four") == 0


def test_a_run_goes_on_with_other_numbers_of_processes(runs):
    assert runs("elastic", 1, stop=(0, 5)) == [128 + signal.SIGTERM]
    assert runs("elastic", 2, "--resume", stop=(1, 12)) == [128 + signal.SIGTERM] * 2
    assert "its figures may differ in the last digits: processes 1, now 2" in runs.said[0]
    assert runs("elastic", 1, "--resume") == [0]
    assert runs.losses("elastic") == pytest.approx(runs.losses("alone"), rel=ROUNDING)
    assert runs.apart("elastic", "alone") < ROUNDING


def test_a_killed_process_ends_all_with_one_message(runs):
    codes = runs("killed", 2, stop=(1, 12), sig=signal.SIGKILL)
    assert codes == [2, -signal.SIGKILL]
    assert "a process of this run ended without a message" in runs.said[0]
    assert "Another process saw: " in runs.said[0]
    assert runs("killed", 2, "--resume") == [0, 0]  # from the checkpoint of step 10
    if (runs.folder / "two").exists():
        assert runs.losses("killed") == runs.losses("two")
        assert runs.apart("killed", "two") == 0


def test_a_file_that_is_bad_for_one_process_ends_all_with_its_error(runs, tmp_path):
    bad, other = tmp_path / "bad.fa", tmp_path / "other.fa"
    bad.write_text("no FASTA\n")
    other.write_text(">a\n" + "ACGTTGCAAC" * 6000 + "\n")
    for file, words in ((bad, "bad.fa"), (other, "process 1 on")):
        assert runs("bad", 2, last=("--genome", str(file))) == [2, 2]
        assert [words in text for text in runs.said] == [False, True]
        assert runs.said[0] == ""
        assert not (runs.folder / "bad").exists()


def test_torchrun_that_is_asked_to_stop_leaves_a_checkpoint_to_go_on_from(runs):
    out = runs.folder / "torchrun"
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        "2",
        "-m",
        "genomask",
        *runs.arguments,
    ]
    endless = ["--set", "training.steps=100000", "--set", "training.log_every=1", "--out", str(out)]
    with subprocess.Popen([*command, *endless], stderr=subprocess.PIPE, text=True) as torchrun:
        wait_until(lambda: read_metrics(out / "metrics.jsonl"))
        torchrun.terminate()
        _, said = torchrun.communicate(timeout=60)
    assert torchrun.returncode == 1  # torchrun's own, for every failure
    assert said.count("continue with --resume") == 1
    step = int(re.search(r"stopped after step (\d+)", said)[1])
    assert (out / "checkpoints" / f"step-{step}").is_dir()


def wait_until(is_so: Callable[[], object]) -> None:
    """Wait as long as a slow machine may take."""
    deadline = time.monotonic() + 300
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_mistake_of_all_processes_is_reported_once(runs):
    assert runs("alone", 2) == [2, 2]
    assert sum("already holds a run" in text for text in runs.said) == 1
    assert sorted(map(bool, runs.said)) == [False, True]
    assert runs("none", 2, "--set", "training.stepps=3") == [2, 2]
    assert sorted(map(bool, runs.said)) == [False, True]
    assert runs("none", 4, "--set", "training.sequences_per_step=3") == [2] * 4
    assert sum("too few for 4 processes" in text for text in runs.said) == 1
