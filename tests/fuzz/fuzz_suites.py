"""Suites of benchmarks, of each layout, with one damaged file."""

import random
import shutil
from pathlib import Path

from fuzz_case import Case
from fuzz_damage import any_word
from fuzz_inputs import Grammar, a_table, given


def a_labelled_fasta(rng: random.Random) -> bytes:
    """Records, most of them with labels in their headers."""
    records = ((any_word(rng) if rng.random() < 0.1 else f"r{at}|{at % 2}") for at in range(rng.choice((0, 2, 9))))
    return "".join(f">{name}\n{''.join(rng.choices('ACGTN', k=rng.randint(0, 30)))}\n" for name in records).encode()


def some_coordinates(rng: random.Random) -> bytes:
    """Intervals of the genome, and some that are not."""
    rows = ["id,region,start,end,strand"]
    for at in range(rng.choice((0, 1, 9))):
        start, stop = (rng.choice((10, 100, 2_000, any_word(rng))) for _ in range(2))
        rows.append(f"x{at},{rng.choice(('chr1', '2', any_word(rng)))},{start},{stop},{rng.choice('+-.')}")
    return "\n".join(rows).encode()


SUITES: dict[str, dict[str, tuple[str, Grammar]]] = {
    "GUE": {"a/train.csv": ("task.csv", a_table), "a/test.csv": ("task.csv", a_table)},
    "GeneMask": {"2.tsv": ("task.tsv", a_table), "test.tsv": ("task.tsv", a_table)},
    "Nucleotide Transformer": {f"{x}.fna": ("labelled.fa", a_labelled_fasta) for x in ("train", "test")},
    "Genomic Benchmarks": {
        f"{side}/{name}.csv": ("regions.csv", some_coordinates) for side in ("train", "test") for name in "ab"
    },
}
"""Layout -> its files, each with a good one and the grammar that writes others."""


def suite(rng: random.Random, place: Path, seeds: Path) -> Case:
    """A suite of benchmarks of any layout, with one file damaged and the others good."""
    verb = ["bench", "--model", str(seeds / "run" / "model"), "--methods", "gc", "--genome", str(seeds / "genome.fa")]
    layout = rng.choice(list(SUITES))
    folders = [place / "suite", place / "mended"]
    for folder in folders:
        for name, (seed, _) in SUITES[layout].items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(seeds / seed, folder / name)
    name = rng.choice(list(SUITES[layout]))
    seed, grammar = SUITES[layout][name]
    (folders[0] / name).unlink()
    given(rng, (folders[0] / name).parent, seeds / seed, grammar, Path(name).name)
    asked = [[*verb, "--out", str(place / "out"), "--", str(folder)] for folder in folders]
    return Case(arguments=asked[0], changes=(place / "out",), mended=asked[1])
