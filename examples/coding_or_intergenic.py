"""A few-shot task from your own annotation: coding against intergenic windows, split by chromosome.

In: a genome and its GTF. Out: pool.tsv and test.tsv with the columns sequence and label (1 coding, 0 intergenic).
The test's windows come from other chromosomes than the pool's; hold the test's chromosomes out of pretraining as well:

    python examples/coding_or_intergenic.py genome.fa.gz genes.gtf.gz --test-records XV,XVI --out task
    genomask compare --genome genome.fa.gz --set 'windows.holdout=["XV", "XVI"]' --train task/pool.tsv ...
"""

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from genomask.data.genome import Genome
from genomask.data.intervals import subtract, union
from genomask.data.vcf import same_record

LETTERS = np.frombuffer(b"ACGTN", dtype=np.uint8)


def features(gtf: Path, kind: str) -> Iterator[tuple[str, int, int]]:
    """Record, start and stop (from 0, half open) of the features of a kind in a GTF file, plain or gzip."""
    opener = gzip.open if gtf.suffix == ".gz" else open
    with opener(gtf, "rt") as lines:
        for line in lines:
            fields = line.split("\t")
            if len(fields) > 4 and fields[2] == kind:
                yield fields[0], int(fields[3]) - 1, int(fields[4])


def positions(genome: Genome, gtf: Path, kind: str) -> np.ndarray:
    """(n, 2) [start, stop) of the features of a kind in the genome's codes, joined where they overlap.

    Features of records that the genome lacks, even under another name (chrIV for IV), are left out and reported.
    """
    offsets = dict(zip(genome.names, genome.offsets.tolist(), strict=False))
    found, unknown = [], set()
    for name, start, stop in features(gtf, kind):
        record = same_record(name, offsets)
        if record is None:
            unknown.add(name)
        else:
            found.append((offsets[record] + start, offsets[record] + stop))
    if unknown:
        print(f"{gtf}: {kind} rows left out: the genome lacks these records: {', '.join(sorted(unknown))}")
    return union(np.array(sorted(found), dtype=np.int64).reshape(-1, 2))


def intervals(genome: Genome, names: str) -> np.ndarray:
    """(n, 2) [start, stop) of comma-separated records; typer.BadParameter for one that the genome lacks."""
    found = []
    for name in names.split(","):
        record = same_record(name.strip(), genome.names)
        if record is None:
            some = ", ".join(genome.names[:5]) + (" ..." if len(genome.names) > 5 else "")
            raise typer.BadParameter(f"--test-records: the genome has no record {name.strip()!r}; it has {some}.")
        found.append(genome.interval(record))
    return np.array(found, dtype=np.int64)


def windows(inside: np.ndarray, records: np.ndarray, length: int) -> np.ndarray:
    """(n,) starts of windows of `length`, in the middle of every long enough interval within the records given."""
    starts = [
        (start + stop - length) // 2
        for start, stop in inside.tolist()
        if stop - start >= length and ((records[:, 0] <= start) & (stop <= records[:, 1])).any()
    ]
    return np.array(starts, dtype=np.int64)


def main(
    genome: Path,
    gtf: Path,
    out: Annotated[Path, typer.Option(help="Folder for pool.tsv and test.tsv.")],
    test_records: Annotated[str, typer.Option(help="Records that only the test sees, separated by commas.")],
    length: Annotated[int, typer.Option(help="Bases of a window.")] = 200,
    seed: Annotated[int, typer.Option(help="Seed for choosing windows of the larger class.")] = 0,
) -> None:
    """Write the task."""
    opened = Genome.open(genome)
    held_out = intervals(opened, test_records)
    everything = np.stack([opened.offsets[:-1], opened.offsets[1:]], 1)
    classes = (subtract(opened.runs, positions(opened, gtf, "gene")), positions(opened, gtf, "CDS"))
    rng = np.random.default_rng(seed)
    out.mkdir(parents=True, exist_ok=True)
    for name, records in (("pool", subtract(everything, union(held_out))), ("test", held_out)):
        starts = [windows(inside, records, length) for inside in classes]
        count = min(map(len, starts))
        rows = ["sequence\tlabel"]
        for label, found in enumerate(starts):
            for start in np.sort(rng.choice(found, count, replace=False)).tolist():
                rows.append(f"{LETTERS[opened.codes[start : start + length]].tobytes().decode()}\t{label}")
        (out / f"{name}.tsv").write_text("\n".join(rows) + "\n")
        print(f"{out / name}.tsv: {count} windows of each class")


if __name__ == "__main__":
    typer.run(main)
