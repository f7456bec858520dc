"""How fast n-grams are counted, beside KMC and jellyfish on the same bases, two threads each, in turns.

The bases of the FASTA files given are repeated to --bases, as a plain FASTA file and as the memory-mapped genome made
from it. "memory map" counts every n up to k from the map; "plain FASTA" also reads the file and builds the map. The
peers read the FASTA file and write their database of k-mers (forward strand, as ours). All k-mer counts must agree; if
not, the command exits with 1. Another program on the machine slows both sides of a ratio, so ratios are taken in each
round, and the verdict is their median. CPU seconds are given too.

    apt install kmc jellyfish
    python benchmarks/npmi.py human/*.fa.gz
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import torch
import typer
from machine import Out, describe_machine, run_script, save
from rich.console import Console
from rich.table import Table
from turns import Turn, median_ratio, take_turns

from genomask.data.genome import Genome
from genomask.errors import SettingsError
from genomask.masking.npmi.counting import count_ngrams

RESULT = Path(__file__).parent / "results" / "npmi.json"
CPU = torch.device("cpu")
THREADS = 2
LINE = 60
MAP, FASTA, KMC, JELLYFISH = "ours, memory map", "ours, plain FASTA", "KMC", "jellyfish"
GOALS = {6: 4.0, 10: 3.0}
"""Goals by k: bases a second counted from the memory map, relative to KMC's."""


class Side(NamedTuple):
    """One counter: the function to time, and how to read its (4**k,) counts afterwards."""

    count: Callable[[], object]
    counts: Callable[[], np.ndarray]

    def step(self, n: int) -> None:
        """One turn; every round counts the same bases."""
        self.count()


def main(
    fasta: Annotated[list[Path], typer.Argument(help="FASTA files whose bases are repeated.")],
    bases: Annotated[float, typer.Option(help="Letters to count, N among them.")] = 2e8,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of turns, after one that is not counted.")] = 5,
    out: Out = RESULT,
) -> None:
    """Count 6-mers and 10-mers, print the table and write the JSON."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])  # for this process and those it starts
    machine = describe_machine(CPU)
    with tempfile.TemporaryDirectory(prefix="genomask-npmi-") as folder:
        work = Path(folder)
        write_repeated(Genome.open(fasta), int(bases), work / "genome.fa")
        genome = Genome.open(work / "genome.fa", cache=work / "map")
        turns: dict[str, dict[str, list[Turn]]] = {}
        rows = [row for k in GOALS for row in compare(genome, work, k, rounds, turns)]
    setup = {"letters": int(bases), "files": len(fasta), "rounds": rounds, "threads": THREADS, "peers": peer_versions()}
    result = {"benchmark": "npmi", "machine": machine, "setup": setup, "rows": rows, "verdict": verdict(rows)}
    save(out, result | {"turns": turns})
    show(rows)
    if not all(row["counts_agree"] for row in rows):
        sys.exit("counts differ: see counts_agree in the JSON")


def write_repeated(genome: Genome, n_letters: int, path: Path) -> None:
    """The genome's letters over and over, as plain FASTA of four records in lines of 60."""
    letters = np.frombuffer(b"ACGTN", dtype=np.uint8)
    runs = [genome.codes[start:stop] for start, stop in genome.runs]
    once = np.concatenate([part for run in runs for part in (run, [4])]).astype(np.uint8)
    lines = n_letters // LINE // 4
    with path.open("wb") as file:
        for record in range(4):
            file.write(b">record%d\n" % record)
            for first in range(0, lines, 10_000):
                at = (record * lines + first) * LINE + np.arange(min(10_000, lines - first) * LINE)
                block = letters[once[at % len(once)]].reshape(-1, LINE)
                file.write(np.pad(block, ((0, 0), (0, 1)), constant_values=ord("\n")).tobytes())


def compare(
    genome: Genome, work: Path, k: int, rounds: int, turns: dict[str, dict[str, list[Turn]]]
) -> list[dict[str, Any]]:
    """One row per side: medians over the rounds, and whether its counts equal ours; the turns go into `turns`."""
    sides = build_sides(genome, work, k)
    took = turns[f"k = {k}"] = take_turns({name: side.step for name, side in sides.items()}, rounds, CPU)
    n_bases = int((genome.runs[:, 1] - genome.runs[:, 0]).sum())
    ours = sides[MAP].counts()
    wall = {name: [turn.wall_s for turn in of_side] for name, of_side in took.items()}
    cpu = {name: [turn.cpu_s for turn in of_side] for name, of_side in took.items()}
    return [
        {
            "k": k,
            "side": name,
            "gigabases_per_s": n_bases / statistics.median(wall[name]) / 1e9,
            "wall_s": statistics.median(wall[name]),
            "cpu_s": statistics.median(cpu[name]),
            "times_KMC": median_ratio(wall[KMC], wall[name]),
            "times_KMC_in_cpu_s": median_ratio(cpu[KMC], cpu[name]),
            "goal": GOALS[k] if name == MAP else None,
            "counts_agree": bool(np.array_equal(side.counts(), ours)),
        }
        for name, side in sides.items()
    ]


def verdict(rows: list[dict[str, Any]]) -> list[str]:
    """A sentence per k: first from plain FASTA, as KMC reads it, then from the memory map, made once per genome."""
    speed = {(row["k"], row["side"]): row["times_KMC"] for row in rows}
    return [
        f"{k}-mers: {speed[k, FASTA]:.2f} times KMC's bases per second from plain FASTA, the memory map being made, "
        f"and {speed[k, MAP]:.1f} times from that map (goal {goal:g})"
        for k, goal in GOALS.items()
    ]


def build_sides(genome: Genome, work: Path, k: int) -> dict[str, Side]:
    """Ours and the peers; KMC without thresholds and without canonical k-mers, as we count."""
    fasta, database, dump = work / "genome.fa", work / f"kmc{k}", work / f"dump{k}"

    def from_map() -> np.ndarray:
        return count_ngrams(genome.codes, genome.runs, k)[k]

    def from_fasta() -> np.ndarray:
        shutil.rmtree(work / "fresh", ignore_errors=True)
        fresh = Genome.open(fasta, cache=work / "fresh")
        return count_ngrams(fresh.codes, fresh.runs, k)[k]

    kmc = ["kmc", "-hp", f"-k{k}", "-b", "-fm", "-ci1", f"-cs{2**32 - 1}", f"-t{THREADS}", fasta, database, work]
    jellyfish = ["jellyfish", "count", "-m", k, "-s", 4**k, "-t", THREADS, "-o", work / f"jf{k}", fasta]
    return {
        MAP: Side(from_map, from_map),
        FASTA: Side(from_fasta, from_fasta),
        KMC: Side(lambda: run(kmc), lambda: read_dump(["kmc_dump", database, dump], dump, k)),
        JELLYFISH: Side(
            lambda: run(jellyfish),
            lambda: read_dump(["jellyfish", "dump", "-c", "-t", "-o", dump, work / f"jf{k}"], dump, k),
        ),
    }


def run(command: list) -> str:
    """Output of a program; SettingsError where it is not installed."""
    if shutil.which(command[0]) is None:
        raise SettingsError(f"{command[0]} is not installed: apt install kmc jellyfish")
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True).stdout


def read_dump(command: list, path: Path, k: int) -> np.ndarray:
    """(4**k,) counts from a text file of words and counts that the command writes."""
    run(command)
    counts = np.zeros(4**k, dtype=np.int64)
    digits = str.maketrans("ACGT", "0123")
    for line in path.read_text().splitlines():
        word, count = line.split()
        counts[int(word.translate(digits), 4)] = int(count)
    return counts


def peer_versions() -> str:
    """The version line of each peer."""
    kmc = subprocess.run(["kmc"], capture_output=True, text=True, check=False).stdout.splitlines()[0]
    return f"{kmc}; {run(['jellyfish', '--version']).strip()}"


def show(rows: list[dict[str, Any]]) -> None:
    """The rows as a table."""
    caption = "The peers' times hold parsing and their database, as 'plain FASTA' holds parsing and the memory map."
    table = Table(title="Counting n-grams, 2 threads, medians", caption=caption)
    for name in rows[0]:
        table.add_column(name.replace("_", " "), justify="left" if name == "side" else "right")
    for row in rows:
        table.add_row(*(f"{value:.3f}" if isinstance(value, float) else str(value) for value in row.values()))
    Console(width=120).print(table)
    print(*verdict(rows), sep="\n")


if __name__ == "__main__":
    run_script(main)
