"""How fast genome files are read, beside needletail, pyfaidx and KMC on the same bases, in turns, one core each.

The bases of the FASTA files given are repeated to --bases, as plain FASTA, gzip and bgzip, which is also read with two
cores. "ours" reads letters into codes and marks lower case; "with the cache" also finds runs and repeats, hashes the
codes and writes the memory map. needletail returns each record's letters; pyfaidx indexes the lines; KMC reads and
counts 6-mers. "inflate" only unpacks.

    pip install needletail zlib-ng; apt install kmc
    python benchmarks/reading.py human/*.fa.gz
"""

import gzip
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from Bio.bgzf import BgzfWriter
from isal import igzip
from machine import Out, describe_machine, run_script, save
from npmi import write_repeated
from pyfaidx import Faidx
from turns import take_turns

from genomask.data.fasta import read_fasta
from genomask.data.genome import Genome
from genomask.machine.process import keep_freed_memory
from genomask.terminal.console import say_error

try:
    import needletail
    from zlib_ng import gzip_ng
except ImportError as missing:
    say_error(f"{missing.name} is not installed: pip install needletail zlib-ng")
    sys.exit(2)

RESULT = Path(__file__).parent / "results" / "reading.json"
CPU = torch.device("cpu")
CHUNK = 1 << 22


def main(
    fasta: Annotated[list[Path], typer.Argument(help="FASTA files whose bases are repeated.")],
    bases: Annotated[float, typer.Option(help="Letters to read, N among them.")] = 1e8,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of turns, after one that is not counted.")] = 3,
    out: Out = RESULT,
) -> None:
    """Read the files, print a table and write the JSON."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[:1])  # for this process and those it starts
    keep_freed_memory()  # as the command line does
    machine = describe_machine(CPU)
    with tempfile.TemporaryDirectory(prefix="genomask-reading-") as folder:
        work = Path(folder)
        plain, packed = work / "genome.fa", work / "genome.fa.gz"
        write_repeated(Genome.open(fasta), int(bases), plain)
        with plain.open("rb") as source, igzip.open(packed, "wb") as target:
            shutil.copyfileobj(source, target, CHUNK)
        with plain.open("rb") as source, BgzfWriter(work / "genome.fa.bgz") as target:
            shutil.copyfileobj(source, target, CHUNK)
        sides = build_sides(plain, packed, work, cores[:2])
        took = take_turns({name: lambda _, read=read: read() for name, read in sides.items()}, rounds, CPU)
        rows = [row(name, plain.stat().st_size, turns) for name, turns in took.items()]
    setup = {"letters": int(bases), "files": len(fasta), "rounds": rounds}
    result = {"benchmark": "reading", "machine": machine, "setup": setup, "rows": rows, "verdict": verdict(rows)}
    save(out, result)
    print(*rows, *verdict(rows), sep="\n")


def build_sides(plain: Path, packed: Path, work: Path, two_cores: list[int]) -> dict[str, Callable[[], object]]:
    """Name -> how each side reads."""

    def inflate(opened: Callable) -> None:
        with opened(packed, "rb") as file:
            while file.read(CHUNK):
                pass

    def cached() -> None:
        shutil.rmtree(work / "cache", ignore_errors=True)
        Genome.open(plain, cache=work / "cache")

    def with_two_cores() -> None:
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, two_cores)
        read(blocks)
        os.sched_setaffinity(0, before)

    def read(path: Path) -> int:
        return sum(piece.codes.size for piece in read_fasta(path))

    blocks = work / "genome.fa.bgz"
    kmc = ["kmc", "-hp", "-k6", "-b", "-fm", "-ci1", "-t1", str(plain), str(work / "kmc"), str(work)]
    sides: dict[str, Callable[[], object]] = {
        "ours": lambda: read(plain),
        "ours, with the cache": cached,
        "needletail": lambda: sum(len(record.seq) for record in needletail.parse_fastx_file(str(plain))),
        "pyfaidx, index": lambda: Faidx(plain, indexname=work / "index.fai", rebuild=True).build_index(),
        "ours, gzip": lambda: read(packed),
        "ours, bgzip": lambda: read(blocks),
        "ours, bgzip, two cores": with_two_cores,
        "needletail, gzip": lambda: sum(len(record.seq) for record in needletail.parse_fastx_file(str(packed))),
        "inflate, isal": lambda: inflate(igzip.open),
        "inflate, zlib-ng": lambda: inflate(gzip_ng.open),
        "inflate, zlib": lambda: inflate(gzip.open),
    }
    if shutil.which("kmc"):
        sides["KMC, counts too"] = lambda: subprocess.run(kmc, check=True, capture_output=True)
    return sides


def row(name: str, n_bytes: int, turns: list) -> dict[str, Any]:
    """Speeds in megabytes of plain FASTA, by both clocks."""
    wall, cpu = (statistics.median(turn[clock] for turn in turns) for clock in (0, 1))
    return {"side": name, "MB per s": n_bytes / wall / 1e6, "MB per cpu s": n_bytes / cpu / 1e6, "wall s": wall}


def verdict(rows: list[dict[str, Any]]) -> list[str]:
    """The ratios by CPU seconds, which other load disturbs less."""
    speed, clock = ({row["side"]: row[name] for row in rows} for name in ("MB per cpu s", "MB per s"))
    two = "ours, bgzip, two cores"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    return [
        f"plain FASTA: {speed['ours']:,.0f} MB per CPU second (goal 500), needletail {speed['needletail']:,.0f}",
        f"gzip: {speed['ours, gzip']:,.0f} MB per CPU second; of inflaters alone isal {speed['inflate, isal']:,.0f}, "
        f"zlib-ng {speed['inflate, zlib-ng']:,.0f}, zlib {speed['inflate, zlib']:,.0f}",
        f"bgzip: {speed['ours, bgzip']:,.0f} MB per CPU second, {clock['ours, bgzip']:,.0f} by the clock with one core "
        f"and {clock[two]:,.0f} with two ({clock[two] / speed[two]:.2f} of them at work)",
        f"peak memory of all sides but KMC: {peak:,.0f} MiB",
    ]


if __name__ == "__main__":
    run_script(main)
