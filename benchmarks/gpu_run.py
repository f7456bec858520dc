"""A real run of `genomask pretrain` on a GPU: is data there in time, and does a killed run go on with the same bits?

    python benchmarks/gpu_run.py --what speed
    python benchmarks/gpu_run.py --what resume

The genome is simulated, the recipe genome-logo. `speed` stops the run after a minute and sets the tokens a second of
the whole run beside those of the same steps on batches that are ready. `resume` kills a run with SIGKILL after its
first checkpoint, lets it go on, and compares its weights with those of two runs that nobody disturbed: where these
differ from each other, a kernel adds in an order of its own, and the killed one cannot be told from them.
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
from pathlib import Path
from typing import Annotated, Literal

import torch
import typer
from machine import describe_machine, save
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
RESERVE_S = 20.0
"""What is kept for the steps alone."""
READY_STEPS, READY_S = 3, 5.0
"""Steps whose batches are made ahead, and for how long they are trained on again and again."""
SHORT = ("training.steps=40", "training.checkpoint_every=2", "training.sequences_per_step=200")
"""Of the runs that are compared bit by bit."""


def main(
    what: Annotated[Literal["speed", "resume"], typer.Option(help="What is asked.")] = "speed",
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "cuda",
    seconds: Annotated[float, typer.Option(help="After which the run is stopped.")] = 60.0,
    changes: Annotated[list[str], typer.Option("--set", help="As of genomask pretrain; repeatable.")] = [],  # noqa: B006
    out: Annotated[Path | None, typer.Option(help="JSON file. Default: in results/.")] = None,
    until: Annotated[float, typer.Option(help="Unix time by which to be done.")] = math.inf,
) -> None:
    """Ask, print the answer and write it."""
    changes = [f"training.device={device}", "training.log_every=5", *changes]
    with tempfile.TemporaryDirectory() as folder:
        genome = simulate(Path(folder), 0, SimulationSettings(bases=BASES)).genome
        if what == "speed":
            rows, verdict = speed(genome, Path(folder), changes, seconds, until - RESERVE_S)
        else:
            rows, verdict = resume(genome, Path(folder), [*SHORT, *changes])
    result = {
        "benchmark": "gpu_run",
        "machine": describe_machine(choose_device(device)),
        "setup": {"recipe": RECIPE, "bases": BASES, "changes": changes},
        "rows": rows,
        "verdict": verdict,
    }
    save(out or RESULTS / f"gpu_run-{what}.json", result)
    print(section(result))


def begin(genome: Path, out: Path, changes: list[str], *more: str) -> subprocess.Popen:
    """Start the command as a person would."""
    sets = itertools.chain.from_iterable(("--set", change) for change in changes)
    words = ["pretrain", "--genome", str(genome), "--recipe", RECIPE, "--out", str(out), *sets, *more]
    return subprocess.Popen([sys.executable, "-m", "genomask", *words])


def speed(genome: Path, folder: Path, changes: list[str], seconds: float, until: float) -> tuple[list[dict], list[str]]:
    """Tokens a second of the whole run, of its steps alone, and of the batches alone."""
    began, seen = time.perf_counter(), []
    process = begin(genome, folder / "run", changes)
    while process.poll() is None and time.time() < until:
        if time.perf_counter() - began > seconds and len(seen) > 1:
            break
        time.sleep(0.02)
        rows = trained(folder / "run")
        if rows and (not seen or rows[-1] > seen[-1][0]):
            seen.append((rows[-1], time.perf_counter()))
    process.send_signal(signal.SIGTERM)
    if process.wait() not in (0, 128 + signal.SIGTERM) or len(seen) < 2:
        raise TrainingError(f"the run ended with status {process.returncode} and {len(seen)} logged rows")
    (first, since), (last, then) = seen[0], seen[-1]
    whole = (last - first) / (then - since)
    steps, data = alone(genome, folder / "ready", changes)
    rows = [
        {"what": "the whole run, between its first logged row and its last", "tokens_per_s": whole, "s": then - since},
        {"what": "the same steps on batches that are ready", "tokens_per_s": steps},
        {"what": "the batches alone, as one thread makes them", "tokens_per_s": data},
        {"what": "from the start of the command to its first logged row", "s": since - began},
    ]
    return rows, [f"the whole run trains {whole / steps:.1%} of the tokens a second of its steps alone (goal 95 %)"]


def trained(out: Path) -> list[int]:
    """Tokens trained by each row of the log; a row that is being written is not yet one."""
    path = out / "metrics.jsonl"
    lines = path.read_text(encoding="utf-8").split("\n")[:-1] if path.exists() else []
    return [row["tokens"] for row in map(json.loads, lines) if "tokens_per_second" in row]


def alone(genome: Path, out: Path, changes: list[str]) -> tuple[float, float]:
    """Tokens a second of the run's own steps without waiting for data, and of making that data."""
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
        loop.one_step(run, state, batch)  # ends when the GPU has, for it reads the loss
        rates.append(batch.masks.tokens / (time.perf_counter() - since))
        until = time.perf_counter() + READY_S if n == READY_STEPS - 1 else until  # compiled and warm
        if time.perf_counter() > until and n >= 2 * READY_STEPS:
            return statistics.median(rates[READY_STEPS:]), data
    raise AssertionError("batches are cycled without end")


def resume(genome: Path, folder: Path, changes: list[str]) -> tuple[list[dict], list[str]]:
    """Are the weights of a killed and resumed run those of an unbroken one, and do two unbroken ones agree?"""
    unbroken = [begin(genome, folder / name, changes) for name in ("one", "two")]
    killed, checkpoints = begin(genome, folder / "killed", changes), folder / "killed" / "checkpoints"
    while killed.poll() is None and not list(checkpoints.glob("step-*")):
        time.sleep(0.01)
    killed.kill()
    killed.wait()
    if (folder / "killed" / "model").exists() or not list(checkpoints.glob("step-*")):
        raise TrainingError("the run was over before it could be killed")
    resumed = begin(genome, folder / "killed", changes, "--resume")
    if statuses := [status for process in (*unbroken, resumed) if (status := process.wait())]:
        raise TrainingError(f"runs ended with status {statuses}")
    one, two, again = (load_file(folder / name / "model" / "model.safetensors") for name in ("one", "two", "killed"))
    rows = [
        {"what": what, **difference(one, other)}
        for what, other in (("killed and resumed", again), ("unbroken, once more", two))
    ]
    said = ["bit-equal" if row["largest_difference"] == 0 else "not bit-equal" for row in rows]
    return rows, [f"{row['what']}: {is_} to an unbroken run" for row, is_ in zip(rows, said, strict=True)]


def difference(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> dict:
    """How many tensors are the same bits, and by how much the others differ at most."""
    assert one.keys() == other.keys()
    worst = max(float((one[name].double() - other[name].double()).abs().max()) for name in one)
    same = sum(torch.equal(one[name], other[name]) for name in one)
    return {"tensors": len(one), "bit_equal": same, "largest_difference": worst}


if __name__ == "__main__":
    typer.run(main)
