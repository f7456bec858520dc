"""A run killed again and again, anywhere, and resumed each time ends with the same bits as an undisturbed one.

Real runs of `genomask pretrain` in separate processes are killed by SIGKILL: while the genome's cache is built (it is
removed first), a checkpoint or the model is written, a checkpoint is read, or held-out sequences are scored, or at any
moment. The stack of the killed process shows where each kill fell. A run that ends before all kills are done is
followed by another. The comparison covers the weights, every row of metrics.jsonl (except the speed) and every
checkpoint: weights, moments and progress (except the clock).

    python benchmarks/chaos.py
"""

import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from machine import Out, describe_machine, run_script, save

from genomask.cli import app
from genomask.training.metrics_log import OF_THE_MOMENT, read_metrics

RESULT = Path(__file__).parent / "results" / "chaos.json"
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    ["genomask.commands.pretrain", "genomask.commands.run_folder.report", "genomask.report.plots"]
)

PLACES = {
    "cache": "sealed_folder",
    "checkpoint": "write_checkpoint",
    "evaluation": "evaluate",
    "reading": "restore_checkpoint",
    "model": "save_model",
}
"""Where a kill is aimed, and the function that runs there."""
ANYWHERE = "anywhere"
AIMS = (
    "checkpoint",
    "evaluation",
    "cache",
    ANYWHERE,
    "checkpoint",
    "evaluation",
    "reading",
    ANYWHERE,
    "model",
    "cache",
)
LATEST = {"cache": 0.03, "checkpoint": 0.03, "evaluation": 0.03, "reading": 0.01, "model": 0.03}
"""Longest delay of the kill, in seconds, after the function was first seen running."""
POLL_SECONDS = 0.0005
SETTINGS = (
    "tokens.k=3",
    "windows.max_tokens=64",
    "windows.validation_windows=16",
    "encoder.hidden_size=32",
    "encoder.num_attention_heads=2",
    "encoder.intermediate_size=32",
    "encoder.hidden_dropout_prob=0.1",
    "training.steps=60",
    "training.sequences_per_step=16",
    "training.tokens_per_microbatch=600",
    "training.log_every=1",
    "training.checkpoint_every=4",
    "evaluation.every=6",
    "optimizer.warmup_steps=4",
    "training.device=cpu",
    "training.precision=fp32",
)


def main(
    kills: Annotated[int, typer.Option(help="Number of kills.")] = 20,
    bases: Annotated[int, typer.Option(help="Length of the genome.")] = 500_000,
    seed: Annotated[int, typer.Option(help="Seed of the genome and the kill times.")] = 0,
    out: Out = RESULT,
) -> None:
    """Kill, resume, compare, print a line, and write the JSON."""
    machine = describe_machine(torch.device("cpu"))
    with tempfile.TemporaryDirectory(prefix="genomask-chaos-") as folder:
        row = chaos(Path(folder), kills, bases, seed)
    verdict = sentence(row)
    setup = {"bases": bases, "settings": list(SETTINGS), "seed": seed}
    save(out, {"benchmark": "chaos", "machine": machine, "setup": setup, "rows": [row], "verdict": [verdict]})
    print(verdict)
    sys.exit(bool(row["differences"]))


def sentence(row: dict[str, Any]) -> str:
    """The line of figures."""
    found = "; ".join(row["differences"]) or "weights, metrics and checkpoints the same bit for bit"
    where = ", ".join(f"{place} {n}" for place, n in row["killed_in"].items())
    return (
        f"{row['kills']} kills ({where}) in {row['runs']} runs of {row['steps']} steps: {found}; {row['seconds']:.0f} s"
    )


def chaos(folder: Path, kills: int, bases: int, seed: int, settings: tuple[str, ...] = SETTINGS) -> dict[str, Any]:
    """One undisturbed run, and as many others as all the kills take."""
    moments, begin = random.Random(seed), time.perf_counter()
    genome, cache, alone = folder / "genome.fa", folder / "cache", folder / "alone"
    letters = np.random.default_rng(seed).choice(np.frombuffer(b"ACGT", dtype=np.uint8), bases)
    genome.write_bytes(b">chaos\n" + letters.tobytes() + b"\n")
    words = [word for change in settings for word in ("--set", change)]
    arguments = ["pretrain", "--genome", str(genome), "--recipe", "genome-demo", *words, "--out"]
    start(["--version"], cache, None)  # the server imports everything
    begun = time.perf_counter()
    start([*arguments, str(alone)], cache, None)
    whole_seconds = time.perf_counter() - begun
    fell: Counter[str] = Counter()
    differences: list[str] = []
    runs = 0
    while fell.total() < kills:
        runs += 1
        out = folder / f"killed-{runs}"
        while not (out / "model" / "config.json").exists():
            aim = AIMS[fell.total() % len(AIMS)] if fell.total() < kills else None
            if aim == "cache":
                shutil.rmtree(cache)
            late = moments.uniform(0, LATEST.get(aim, whole_seconds)) if aim else 0.0
            resume = ["--resume"] if (out / "config.toml").exists() else []
            passes = moments.randrange(3) if aim in ("checkpoint", "evaluation") else 0
            plan = (aim, passes, late) if aim else None
            begun = time.perf_counter()
            if place := start([*arguments, str(out), *resume], cache, plan):
                fell[place] += 1
                print(f"kill {fell.total()} of {kills}: {place}", flush=True)
            else:  # the machine may be faster now than during the first run
                whole_seconds = min(whole_seconds, time.perf_counter() - begun)
        differences += [f"run {runs}: {difference}" for difference in compared(alone, out)]
    steps = max(row["step"] for row in read_metrics(alone / "metrics.jsonl"))
    done = {"kills": fell.total(), "killed_in": dict(fell), "runs": runs, "steps": steps}
    return done | {"differences": differences, "seconds": time.perf_counter() - begin}


def start(arguments: list[str], cache: Path, plan: tuple[str, int, float] | None) -> str | None:
    """Run genomask until it ends or is killed; the place of the kill, None without one."""
    hear, tell = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=_live, args=(arguments, cache, plan, tell))
    process.start()
    tell.close()
    process.join()
    if process.exitcode == -signal.SIGKILL:
        return hear.recv()
    if process.exitcode != 0:
        raise RuntimeError(f"genomask {' '.join(arguments)} ended by {process.exitcode}")
    return None


def _live(arguments: list[str], cache: Path, plan: tuple[str, int, float] | None, tell: Any) -> None:
    """The command line, in a process that kills itself as planned."""
    os.environ["GENOMASK_CACHE"] = str(cache)
    sys.argv = ["genomask", "--quiet", *arguments]
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - as long as the process
    if plan:
        threading.Thread(target=_die, args=(*plan, tell), daemon=True).start()
    app.main()


def _die(aim: str, passes: int, late: float, tell: Any) -> None:
    """Let `passes` calls of the target function pass, wait for the next, and die `late` seconds into it."""
    for wanted in [True, False] * passes + [True] if aim in PLACES else []:
        while (aim in _places()) != wanted:
            time.sleep(POLL_SECONDS)
    time.sleep(late)
    places = _places()
    tell.send(aim if aim in places else min(places, default="elsewhere"))
    os.kill(os.getpid(), signal.SIGKILL)


def _places() -> set[str]:
    """The places that this process is in, in any thread."""
    at_work = set()
    for frame in sys._current_frames().values():
        while frame:
            at_work.add(frame.f_code.co_name)
            frame = frame.f_back
    return {place for place, function in PLACES.items() if function in at_work}


def compared(one: Path, two: Path) -> list[str]:
    """What differs between two runs."""
    names = ["model/model.safetensors"]
    steps = [sorted(path.name for path in (run / "checkpoints").iterdir()) for run in (one, two)]
    names += [f"checkpoints/{step}/{name}.safetensors" for step in steps[0] for name in ("model", "optimizer")]
    found = [] if steps[0] == steps[1] else [f"checkpoints {steps[0]} and {steps[1]}"]
    found += [name for name in names if not found and (one / name).read_bytes() != (two / name).read_bytes()]
    if not found and any(progress(one / "checkpoints" / x) != progress(two / "checkpoints" / x) for x in steps[0]):
        found.append("state.json")
    rows = [read_metrics(run / "metrics.jsonl") for run in (one, two)]
    timeless = [[{k: v for k, v in row.items() if k not in OF_THE_MOMENT} for row in run] for run in rows]
    return found if timeless[0] == timeless[1] else [*found, "metrics.jsonl"]


def progress(checkpoint: Path) -> dict[str, Any]:
    """The checkpoint's state.json without the clock."""
    state = json.loads((checkpoint / "state.json").read_text())
    return state | {"window": {k: v for k, v in state["window"].items() if k not in ("seconds", "waited")}}


if __name__ == "__main__":
    run_script(main)
