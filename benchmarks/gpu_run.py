"""A real run of `genomask pretrain` on a GPU: is data ready in time, and does a killed run resume with the same bits?

    python benchmarks/gpu_run.py --what speed
    python benchmarks/gpu_run.py --what resume

The genome is simulated, the recipe genome-logo. `speed` stops the run half a minute after its first logged row and
compares its tokens a second with those of the same steps on batches made ahead. `resume` kills a run with SIGKILL after
its first checkpoint, resumes it, and compares its weights with those of two undisturbed runs. If these two differ, a
kernel adds in varying order, and the killed run cannot be distinguished from them. Each row is written as it comes.
"""

import itertools
import json
import math
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import torch
import typer
from machine import describe_machine, run_script, save
from safetensors.torch import load_file
from tables import section

from genomask.commands.demo.simulate import SimulationSettings, simulate
from genomask.commands.pretrain import build_run
from genomask.data.opening import Inputs
from genomask.errors import TrainingError
from genomask.recipe import load_recipe
from genomask.training import loop
from genomask.training.device import choose_device
from genomask.training.track import Tracking

RESULTS = Path(__file__).parent / "results"
RECIPE, BASES = "genome-logo", 5_000_000
ALONE_S = 25.0
"""Seconds reserved for the steps alone, as the model is built and compiled again."""
POLL_S = 0.02
READY_STEPS, READY_S = 3, 5.0
"""Steps whose batches are made ahead, and the seconds of training on them over and over."""
LEAST_ROWS, LEAST_S = 5, 10.0
"""Fewest logged rows, and seconds from the first to the last, that allow a verdict on a run's speed."""
SHORT = ("training.steps=40", "training.checkpoint_every=2", "training.sequences_per_step=200")
"""Settings of the runs that are compared bit by bit."""

Keep = Callable[[list[dict], list[str]], None]
"""Writes all rows so far, and the verdict."""


def main(
    what: Annotated[Literal["speed", "resume"], typer.Option(help="What to measure.")] = "speed",
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "cuda",
    seconds: Annotated[float, typer.Option(help="From the first logged row until the run is stopped.")] = 30.0,
    changes: Annotated[list[str], typer.Option("--set", help="As in genomask pretrain; repeatable.")] = [],  # noqa: B006
    out: Annotated[Path | None, typer.Option(help="JSON file. Default: in results/.")] = None,
    until: Annotated[float, typer.Option(help="Unix time to finish by.")] = math.inf,
) -> None:
    """Measure, write the result after every row, and print it."""
    changes = [f"training.device={device}", "training.log_every=5", *changes]
    result = {
        "benchmark": "gpu_run",
        "machine": describe_machine(choose_device(device)),
        "setup": {"recipe": RECIPE, "bases": BASES, "changes": changes},
    }

    def keep(rows: list[dict], verdict: list[str]) -> None:
        result.update(rows=rows, verdict=verdict)
        save(out or RESULTS / f"gpu_run-{what}.json", result)

    with tempfile.TemporaryDirectory() as folder:
        genome = simulate(Path(folder), 0, SimulationSettings(bases=BASES)).genome
        if what == "speed":
            speed(genome, Path(folder), changes, seconds, until, keep)
        else:
            resume(genome, Path(folder), [*SHORT, *changes], until, keep)
    print(section(result))


def begin(genome: Path, out: Path, changes: list[str], *more: str) -> subprocess.Popen:
    """Start the command as a user would."""
    sets = itertools.chain.from_iterable(("--set", change) for change in changes)
    words = ["pretrain", "--genome", str(genome), "--recipe", RECIPE, "--out", str(out), *sets, *more]
    return subprocess.Popen([sys.executable, "-m", "genomask", *words])


def speed(genome: Path, folder: Path, changes: list[str], seconds: float, until: float, keep: Keep) -> None:
    """Tokens a second of the whole run, of its steps alone, and of the batches alone."""
    began, process = time.perf_counter(), begin(genome, folder / "run", changes)
    seen = watched(process, folder / "run", seconds, until - ALONE_S)
    process.send_signal(signal.SIGTERM)
    whole = whole_run(seen, began)
    keep(whole, ["no verdict: the steps alone were not timed"])
    if (status := ended(process, until)) not in (0, 128 + signal.SIGTERM):
        raise TrainingError(f"the run ended with status {status}")
    data, steps = alone(genome, folder / "ready", changes)
    rows = [
        *whole,
        {"what": "the same steps on batches that are ready", "tokens_per_s": steps},
        {"what": "the batches alone, as one thread makes them", "tokens_per_s": data},
    ]
    keep(rows, [judged(whole[0], steps)])


def watched(process: subprocess.Popen, out: Path, seconds: float, until: float) -> list[tuple[int, float]]:
    """(tokens, time) of each logged row, until the run ends or that many seconds have passed since the first."""
    seen: list[tuple[int, float]] = []
    while process.poll() is None and time.time() < until:
        if seen and time.perf_counter() - seen[0][1] > seconds:
            break
        time.sleep(POLL_S)
        rows = trained(out)
        if rows and (not seen or rows[-1] > seen[-1][0]):
            seen.append((rows[-1], time.perf_counter()))
    return seen


def whole_run(seen: list[tuple[int, float]], began: float) -> list[dict]:
    """What the logged rows show: the speed, if there are two, and the seconds until the first."""
    row = {"what": "the whole run, between its first logged row and its last", "logged_rows": len(seen)}
    if not seen:
        return [row]
    (first, since), (last, then) = seen[0], seen[-1]
    row |= {"tokens_per_s": (last - first) / (then - since), "s": then - since} if len(seen) > 1 else {}
    return [row, {"what": "from the start of the command to its first logged row", "s": since - began}]


def judged(whole: dict, steps: float) -> str:
    """The verdict, if enough of the run was seen; a few rows of one interval show nothing."""
    if whole["logged_rows"] < LEAST_ROWS or whole["s"] < LEAST_S:
        seen = f"{whole['logged_rows']} logged rows in {whole.get('s', 0):.1f} s"
        return f"no verdict: {seen} of the whole run; at least {LEAST_ROWS} in {LEAST_S:g} s are needed"
    fraction = whole["tokens_per_s"] / steps
    return f"the whole run trains {fraction:.1%} of the tokens a second of its steps alone (goal 95 %)"


def ended(process: subprocess.Popen, until: float) -> int:
    """The exit status of the process, which is killed if it has not ended by then."""
    try:
        return process.wait(max(0.0, until - time.time()) if until < math.inf else None)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def trained(out: Path) -> list[int]:
    """Tokens trained so far in each row of the log, without a row that is still being written."""
    path = out / "metrics.jsonl"
    lines = path.read_text(encoding="utf-8").split("\n")[:-1] if path.exists() else []
    return [row["tokens"] for row in map(json.loads, lines) if "tokens_per_second" in row]


def alone(genome: Path, out: Path, changes: list[str]) -> tuple[float, float]:
    """Tokens a second of making the run's data, and of its steps without waiting for data."""
    out.mkdir()
    run = build_run(load_recipe(RECIPE, changes), Inputs(genome=(str(genome),)), out)
    state = loop.start(run, Tracking("", run.out))
    began = time.perf_counter()
    batches = [run.batches.of(n) for n in range(READY_STEPS)]
    data = sum(batch.masks.tokens for batch in batches) / (time.perf_counter() - began)
    rates: list[float] = []
    until = math.inf
    for n, batch in enumerate(itertools.cycle(batches)):
        since = time.perf_counter()
        loop.one_step(run, state, batch)  # ends when the GPU does, as it reads the loss
        rates.append(batch.masks.tokens / (time.perf_counter() - since))
        until = time.perf_counter() + READY_S if n == READY_STEPS - 1 else until  # compiled and warm
        if time.perf_counter() > until and n >= 2 * READY_STEPS:
            return data, statistics.median(rates[READY_STEPS:])
    raise AssertionError("batches are cycled without end")


def resume(genome: Path, folder: Path, changes: list[str], until: float, keep: Keep) -> None:
    """Are the weights of a killed and resumed run those of an unbroken one, and do two unbroken ones agree?"""
    runs = {name: begin(genome, folder / name, changes) for name in ("one", "two", "killed")}
    try:
        kill_after_a_checkpoint(runs["killed"], folder / "killed", until)
        runs["killed"] = begin(genome, folder / "killed", changes, "--resume")
        compare(runs, folder, until, keep)
    finally:
        for process in runs.values():
            process.kill()
            process.wait()


def kill_after_a_checkpoint(run: subprocess.Popen, out: Path, until: float) -> None:
    """Kill a run once it has a checkpoint; TrainingError if it has none, or ended first."""
    while run.poll() is None and time.time() < until and not list(out.glob("checkpoints/step-*")):
        time.sleep(POLL_S)
    run.kill()
    run.wait()
    if (out / "model").exists() or not list(out.glob("checkpoints/step-*")):
        why = "was over before it could be killed" if run.returncode == 0 else "had no checkpoint to be killed after"
        raise TrainingError(f"the run {why}")


def compare(runs: dict[str, subprocess.Popen], folder: Path, until: float, keep: Keep) -> None:
    """Compare the weights of the runs once they have ended."""
    rows, verdict = [], []
    for what, names in (("unbroken, once more", ("one", "two")), ("killed and resumed", ("one", "killed"))):
        statuses = {name: status for name in names if (status := ended(runs[name], until))}
        if statuses:
            keep(rows, [*verdict, f"{what}: no verdict, runs ended with status {statuses}"])
            raise TrainingError(f"runs ended with status {statuses}")
        one, other = (load_file(folder / name / "model" / "model.safetensors") for name in names)
        rows.append({"what": what, **difference(one, other)})
        equal = "bit-equal" if rows[-1]["largest_difference"] == 0 else "not bit-equal"
        verdict.append(f"{what}: {equal} to an unbroken run")
        keep(rows, verdict)


def difference(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> dict:
    """How many tensors are equal bit by bit, and the largest difference of all."""
    assert one.keys() == other.keys()
    worst = max(float((one[name].double() - other[name].double()).abs().max()) for name in one)
    same = sum(torch.equal(one[name], other[name]) for name in one)
    return {"tensors": len(one), "bit_equal": same, "largest_difference": worst}


if __name__ == "__main__":
    run_script(main)
