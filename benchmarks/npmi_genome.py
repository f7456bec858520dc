"""What a whole genome costs: counting n = 1..10 and scoring all, from a human-sized memory map, on two threads.

The codes of the FASTA files given are repeated to --bases in a separate file, which takes that much disk, and memory as
page cache; records have 130 million bases. It prints seconds and the memory taken beyond the map (the peak of anonymous
memory minus what the process held before), then the size of the table's file and its load time.

    python benchmarks/npmi_genome.py human/*.fa.gz
"""

import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from machine import Out, describe_machine, run_script, save

from genomask.data.genome import Genome
from genomask.masking.npmi import NpmiTable

RESULT = Path(__file__).parent / "results" / "npmi_genome.json"
THREADS = 2
MAX_N = 10
RECORD = 130_000_000
POLL_SECONDS = 0.01
GOAL_SECONDS, GOAL_MIB = 20, 1024


def main(
    fasta: Annotated[list[Path], typer.Argument(help="FASTA files whose bases are repeated.")],
    bases: Annotated[float, typer.Option(help="Bases of the genome.")] = 3.1e9,
    rounds: Annotated[int, typer.Option(min=1, help="Times it is counted, after one time that is not.")] = 3,
    out: Out = RESULT,
) -> None:
    """Count and score, print a line per round, and write the JSON."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])
    machine = describe_machine(torch.device("cpu"))
    with tempfile.TemporaryDirectory(prefix="genomask-npmi-") as folder:
        codes = repeated_codes(Genome.open(fasta), int(bases), Path(folder) / "codes.bin")
        starts = np.arange(0, len(codes), RECORD)
        intervals = np.stack([starts, np.append(starts[1:], len(codes))], axis=1)
        rows = [measure(codes, intervals, Path(folder) / "table.npmi") for _ in range(rounds + 1)][1:]
    for row in rows:
        print(json.dumps(row))
    seconds = statistics.median(row["seconds"] for row in rows)
    cpu_s, memory = statistics.median(row["cpu_s"] for row in rows), max(row["mib_beyond_map"] for row in rows)
    verdict = (
        f"counting and scoring: {seconds:.1f} s (goal {GOAL_SECONDS}), {cpu_s:.1f} CPU seconds of both threads; "
        f"{memory:.0f} MiB beyond the map (goal {GOAL_MIB:,})"
    )
    result = {
        "benchmark": "npmi_genome",
        "machine": machine,
        "setup": {"bases": int(bases), "files": len(fasta), "max_n": MAX_N, "threads": THREADS},
        "rows": rows,
        "verdict": [verdict],
    }
    save(out, result)
    print(f"median: {verdict}")


def repeated_codes(genome: Genome, n_bases: int, path: Path) -> np.ndarray:
    """The genome's ACGT over and over, memory-mapped and read once."""
    once = np.concatenate([genome.codes[start:stop] for start, stop in genome.runs])
    with path.open("wb") as file:
        for done in range(0, n_bases, len(once)):
            file.write(once[: n_bases - done].tobytes())
    return np.memmap(path, dtype=np.uint8, mode="r")


def measure(codes: np.ndarray, intervals: np.ndarray, path: Path) -> dict[str, float]:
    """Seconds of counting and scoring, CPU seconds, memory beyond the map; and the table's file."""
    with peak_anonymous_mib() as peak:
        wall, cpu = time.perf_counter(), time.process_time()
        table = NpmiTable.from_intervals(codes, intervals, max_n=MAX_N)
        counted = time.perf_counter()
        for n in range(2, MAX_N + 1):
            table.npmi(n)
        seconds, cpu_s = time.perf_counter() - wall, time.process_time() - cpu
    table.save(path)
    begin = time.perf_counter()
    NpmiTable.load(path)
    return {
        "seconds": seconds,
        "counting_s": counted - wall,
        "cpu_s": cpu_s,
        "mib_beyond_map": peak[0],
        "file_bytes": path.stat().st_size,
        "load_ms": 1e3 * (time.perf_counter() - begin),
    }


@contextmanager
def peak_anonymous_mib() -> Iterator[list[float]]:
    """A list whose only entry becomes this process's largest rise of anonymous memory, in MiB."""
    before, largest, done = anonymous_mib(), [0.0], threading.Event()

    def poll() -> None:
        while not done.wait(POLL_SECONDS):
            largest[0] = max(largest[0], anonymous_mib() - before)

    watcher = threading.Thread(target=poll)
    watcher.start()
    try:
        yield largest
    finally:
        done.set()
        watcher.join()


def anonymous_mib() -> float:
    """Memory of this process that no file backs."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:")) / 1024


if __name__ == "__main__":
    run_script(main)
