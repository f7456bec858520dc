"""A genome of hg38's size and shape, from its file to the first steps of training: seconds and memory of each stage.

The genome is simulated with random bases: 24 records of hg38's relative lengths, N at both ends and in the middle of
each, half of the letters soft-masked in stretches as long as repeats. Each stage runs in its own process, forked from
one that has imported genomask: reading the FASTA; reading it into the cache; `genomask npmi count`; and `genomask
pretrain`, a few steps of genome-tiny's and genome-base's shapes. Only the JSON is kept. At hg38's size it takes 7 GB of
disk, in TMPDIR, and 4 GB of memory.

    python benchmarks/scale.py
"""

import contextlib
import io
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from machine import Out, describe_machine, run_script, save
from npmi_genome import peak_anonymous_mib

from genomask.cli import app
from genomask.data.fasta import read_fasta
from genomask.data.genome import Genome
from genomask.errors import SettingsError
from genomask.machine.process import keep_freed_memory
from genomask.training.metrics_log import read_metrics

RESULT = Path(__file__).parent / "results" / "scale.json"
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["genomask.commands.pretrain", "genomask.commands.run_folder.report"])

HG38 = (
    *(248956422, 242193529, 198295559, 190214555, 181538259, 170805979, 159345973, 145138636, 138394717, 133797422),
    *(135086622, 133275309, 114364328, 107043718, 101991189, 90338345, 83257441, 80373285, 58617616, 64444167),
    *(46709983, 50818468, 156040895, 57227415),
)
"""Letters of chr1 to chr22, X and Y (GRCh38, UCSC's hg38.chrom.sizes)."""
TELOMERE, GAP = 10_000, 0.045
"""N at each end of a long record, and the fraction of N in the middle of each; hg38 as a whole has 4.9 %."""
GC = 105
"""Of 256 bases this many are G or C: 41 %, as in hg38."""
STRETCH = 300
"""Mean length of soft-masked stretches and of those between them: about that of an Alu."""
LINE = 60
CHUNK = LINE << 18

STEPS = 3
COMMON = (
    *(f"training.steps={STEPS}", "training.log_every=1", f"evaluation.every={STEPS}", "windows.validation_windows=2"),
    *("training.device=cpu", "training.precision=fp32", "optimizer.warmup_steps=1"),
)
SHAPES = {
    "genome-tiny": (),
    "genome-base": ("training.sequences_per_step=2", "training.tokens_per_microbatch=4096"),
}
"""Recipes that are started, and the settings that are made smaller."""


def main(
    gigabases: Annotated[float, typer.Option(help="Letters of the genome, N among them, in billions.")] = 3.1,
    out: Out = RESULT,
) -> None:
    """Run every stage, print a line for each, and write the JSON."""
    machine = describe_machine(torch.device("cpu"))
    lengths = shaped_as(HG38, int(gigabases * 1e9))
    with tempfile.TemporaryDirectory(prefix="genomask-scale-") as folder:
        require_room(Path(folder), sum(lengths))
        rows = list(stages(Path(folder), lengths, alone))
    setup = {"letters": sum(lengths), "records": len(lengths), "steps": STEPS}
    result = {"benchmark": "scale", "machine": machine, "setup": setup, "rows": rows, "verdict": verdict(rows)}
    save(out, result)
    print(*verdict(rows), sep="\n")


def require_room(folder: Path, letters: int) -> None:
    """Raises SettingsError if the disk has no room for the file and the cache of that many letters."""
    needed, there = 2.2 * letters, shutil.disk_usage(folder).free
    if there < needed:
        raise SettingsError(
            f"{folder}: {needed / 1e9:.1f} GB are needed, {there / 1e9:.1f} GB are free; set TMPDIR to another disk, "
            "or --gigabases lower."
        )


def shaped_as(lengths: tuple[int, ...], total: int) -> list[int]:
    """Lengths of these proportions, about `total` letters in all."""
    return [max(1, round(length * total / sum(lengths))) for length in lengths]


def write_genome(path: Path, lengths: list[int], seed: int = 0) -> None:
    """FASTA of random bases in lines of 60 letters, with N and soft-masked stretches as above; memory of one chunk."""
    rng = np.random.default_rng(seed)
    alphabet = np.frombuffer(b"G" * (GC // 2) + b"C" * (GC - GC // 2) + b"A" * 75 + b"T" * 76, dtype=np.uint8)
    with path.open("wb") as out:
        for number, length in enumerate(lengths, 1):
            out.write(b">chr%d\n" % number)
            ends = min(TELOMERE, length // 100)
            gap = int(length * GAP)
            middle = (length - gap) // 2
            unknown = ((0, ends), (middle, middle + gap), (length - ends, length))
            for at in range(0, length, CHUNK):
                letters = alphabet[rng.integers(0, 256, min(CHUNK, length - at), dtype=np.uint8)]
                letters |= soft_masked(len(letters), rng)
                for start, stop in unknown:
                    letters[max(0, start - at) : max(0, stop - at)] = ord("N")
                out.write(in_lines(letters))


def soft_masked(count: int, rng: np.random.Generator) -> np.ndarray:
    """(count,) uint8: the lower-case bit, set in every other stretch."""
    bits = np.zeros(0, dtype=np.uint8)
    lengths = rng.geometric(1 / STRETCH, max(8, 2 * count // STRETCH))
    while len(bits) < count:
        bits = np.append(bits, np.repeat(np.arange(len(lengths), dtype=np.uint8) % 2 * 32, lengths))
    return bits[:count]


def in_lines(letters: np.ndarray) -> bytes:
    """FASTA lines of LINE letters; the last may be shorter."""
    whole = len(letters) // LINE * LINE
    lines = np.full((whole // LINE, LINE + 1), ord("\n"), dtype=np.uint8)
    lines[:, :LINE] = letters[:whole].reshape(-1, LINE)
    rest = letters[whole:].tobytes()
    return lines.tobytes() + (rest + b"\n" if rest else b"")


Measure = Callable[..., dict[str, Any]]
"""Measures a stage: its function, the genome's file and further arguments in, a row's figures out."""


def stages(work: Path, lengths: list[int], measure: Measure) -> Iterator[dict[str, Any]]:
    """A row for each stage, printed as it is known."""
    path = work / "genome.fa"
    todo: dict[str, tuple[Any, ...]] = {
        "making the file": (write_genome, lengths),
        "reading FASTA": (read,),
        "reading into the cache": (ingest,),
        "npmi count": (count,),
        **{f"{STEPS} steps of {name}": (train, name, (*COMMON, *SHAPES[name])) for name in SHAPES},
    }
    for name, (stage, *arguments) in todo.items():
        row = {"stage": name, **measure(stage, path, *arguments)}
        print(row, flush=True)
        yield row


def alone(stage: Callable[..., Any], path: Path, *arguments: Any) -> dict[str, Any]:
    """The stage measured in its own process; RuntimeError if that fails."""
    hear, tell = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=_tell, args=(tell, stage, path, *arguments))
    process.start()
    tell.close()
    try:
        row: dict[str, Any] = hear.recv()
    except EOFError:
        process.join()
        raise RuntimeError(f"{stage.__name__} of {path} ended by {process.exitcode}") from None
    process.join()
    return row


def _tell(tell: Any, stage: Callable[..., Any], path: Path, *arguments: Any) -> None:
    keep_freed_memory()  # as the command line does
    tell.send(measured(stage, path, *arguments))


def measured(stage: Callable[..., Any], path: Path, *arguments: Any) -> dict[str, Any]:
    """Seconds by both clocks, speed in megabytes of the file, memory, and the stage's own figures."""
    os.environ["GENOMASK_CACHE"] = str(path.parent / "cache")
    with peak_anonymous_mib() as peak:
        wall, cpu = time.perf_counter(), time.process_time()
        said = stage(path, *arguments) or {}
        seconds, cpu_s = time.perf_counter() - wall, time.process_time() - cpu
    megabytes = path.stat().st_size / 1e6
    speed = {"MB_per_s": megabytes / seconds, "MB_per_cpu_s": megabytes / cpu_s}
    return {"seconds": seconds, "cpu_s": cpu_s, **speed, "MiB_beyond_imports_and_maps": peak[0], **said}


def read(path: Path) -> None:
    """Read the file into codes, which are not kept."""
    for _ in read_fasta(path):
        pass


def ingest(path: Path) -> None:
    """Read the file into the cache."""
    Genome.open(path)


def count(path: Path) -> None:
    """`genomask npmi count`, words of up to 10 bases."""
    command("npmi", "count", str(path), "--out", str(path.with_suffix(".npmi")))


def train(path: Path, recipe: str, settings: tuple[str, ...]) -> dict[str, Any]:
    """`genomask pretrain`, all of it; the speed is that of its last step."""
    out = path.parent / "run"
    shutil.rmtree(out, ignore_errors=True)
    words = [word for change in settings for word in ("--set", change)]
    command("pretrain", "--genome", str(path), "--recipe", recipe, *words, "--out", str(out))
    speeds = [row["tokens_per_second"] for row in read_metrics(out / "metrics.jsonl") if "tokens_per_second" in row]
    return {"tokens_per_s": speeds[-1]}


def command(*arguments: str) -> None:
    """Run a genomask command in this process; RuntimeError if it fails."""
    sys.argv = ["genomask", "--quiet", *arguments]
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            app.main()
    except SystemExit as ended:
        if ended.code:
            raise RuntimeError(f"genomask {' '.join(arguments)} ended by {ended.code}") from ended


def verdict(rows: list[dict[str, Any]]) -> list[str]:
    """From the file to the first step, and the most memory that any stage took."""
    found = {row["stage"]: row for row in rows}
    cached, counted = found["reading into the cache"], found["npmi count"]
    stage, most = max(((row["stage"], row["MiB_beyond_imports_and_maps"]) for row in rows[1:4]), key=lambda x: x[1])
    return [
        f"into the cache: {cached['seconds']:.0f} s, {cached['MB_per_cpu_s']:.0f} MB per CPU second; "
        f"counting: {counted['seconds']:.0f} s, {counted['MB_per_cpu_s']:.0f} MB per CPU second",
        f"most memory before training, beyond imports and memory maps: {most:,.0f} MiB ({stage}; goal 1,024)",
    ]


if __name__ == "__main__":
    run_script(main)
