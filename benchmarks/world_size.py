"""One run by 1, 2 and 4 processes on this machine's cores: tokens a second, and CPU seconds.

Each world size trains the same steps of the same recipe, on CPUs over gloo, as torchrun starts it, with one thread per
process. More processes than cores have to share them; the measurement then shows what working together costs.

    python benchmarks/world_size.py
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from machine import Out, describe_machine, run_script, save

from genomask.training.metrics_log import read_metrics

RESULT = Path(__file__).parent / "results" / "world_size.json"
RECIPE = "genome-tiny"


def main(
    steps: Annotated[int, typer.Option(help="Steps of each run; the first half is not counted.")] = 40,
    bases: Annotated[int, typer.Option(help="Length of the genome.")] = 1_000_000,
    sizes: Annotated[str, typer.Option(help="Numbers of processes.")] = "1,2,4",
    out: Out = RESULT,
) -> None:
    """Run each world size, print its row, and write the JSON."""
    machine = describe_machine(torch.device("cpu"))
    changes = [
        *(f"training.steps={steps}", f"training.log_every={steps // 2}", f"evaluation.every={steps}"),
        *("training.device=cpu", "training.precision=fp32", "windows.validation_windows=64"),
    ]
    rows = []
    with tempfile.TemporaryDirectory(prefix="genomask-world-") as folder:
        genome = Path(folder) / "genome.fa"
        letters = np.random.default_rng(0).choice(np.frombuffer(b"ACGT", dtype=np.uint8), bases)
        genome.write_bytes(b">random\n" + letters.tobytes() + b"\n")
        for size in map(int, sizes.split(",")):
            rows.append(measure(genome, Path(folder) / f"by-{size}", size, changes))
            print(rows[-1], flush=True)
    setup = {"recipe": RECIPE, "bases": bases, "settings": changes}
    result = {"benchmark": "world_size", "machine": machine, "setup": setup, "rows": rows, "verdict": verdict(rows)}
    save(out, result)


def measure(genome: Path, out: Path, size: int, changes: list[str]) -> dict:
    """One run by `size` processes: its speed over the last logged steps, and its whole processor time."""
    launcher = [] if size == 1 else ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={size}"]
    words = [word for change in changes for word in ("--set", change)]
    command = [sys.executable, *launcher, "-m", "genomask", "--quiet", "pretrain", "--genome", str(genome)]
    command += ["--recipe", RECIPE, *words, "--out", str(out)]
    before, began = cpu_seconds(), time.perf_counter()
    subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL)
    taken = {"wall_s": time.perf_counter() - began, "cpu_s": cpu_seconds() - before}
    rows = read_metrics(out / "metrics.jsonl")
    last = [row for row in rows if "tokens_per_second" in row][-1]
    loss = last["loss_nats_per_masked_token"]
    return {"processes": size, "tokens_per_s": last["tokens_per_second"], **taken, "last_loss_nats": round(loss, 6)}


def cpu_seconds() -> float:
    """CPU seconds of all children that have ended, and of their children."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def verdict(rows: list[dict]) -> list[str]:
    """How each compares with the first; speed is only in the rows, as it depends on what else the cores do."""
    first = rows[0]
    return [
        f"{row['processes']} processes take {row['cpu_s'] / first['cpu_s']:.2f} times the processor time of "
        f"{first['processes']}, their starts included; their losses differ by "
        f"{abs(row['last_loss_nats'] - first['last_loss_nats']):.6f} nats"
        for row in rows[1:]
    ]


if __name__ == "__main__":
    run_script(main)
