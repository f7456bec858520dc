"""The kinds of damaged input, and how often each has its turn. A seed and a number define a case."""

import random
from pathlib import Path

import fuzz_folders
import fuzz_inputs
import fuzz_options
import fuzz_suites
from fuzz_case import Case, Generator

KINDS: dict[str, tuple[Generator, int]] = {
    "fasta": (fuzz_inputs.fasta, 5),
    "table": (fuzz_inputs.table, 5),
    "sequences": (fuzz_inputs.sequences, 4),
    "leaks": (fuzz_inputs.leaks, 3),
    "suite": (fuzz_suites.suite, 3),
    "examples": (fuzz_inputs.examples, 4),
    "jsonl": (fuzz_inputs.jsonl, 4),
    "glue": (fuzz_inputs.glue, 1),
    "bed": (fuzz_inputs.bed, 3),
    "vcf": (fuzz_inputs.vcf, 4),
    "jaspar": (fuzz_inputs.jaspar, 3),
    "npmi-file": (fuzz_inputs.npmi_file, 4),
    "region": (fuzz_inputs.region, 3),
    "model": (fuzz_folders.model, 5),
    "run": (fuzz_folders.run, 5),
    "runs": (fuzz_folders.runs, 3),
    "results": (fuzz_folders.results, 2),
    "cache": (fuzz_folders.cache, 2),
    "options": (fuzz_options.options, 6),
    "set": (fuzz_options.settings, 5),
    "recipe": (fuzz_options.recipe, 4),
    "masking": (fuzz_options.masking, 5),
}
"""Name: generator, and its cases in each round."""

ROUND = [
    name
    for _, name in sorted(((turn + 0.5) / turns, name) for name, (_, turns) in KINDS.items() for turn in range(turns))
]
"""The kinds of the cases of a round, in order; each kind is spread over it."""


def kind_of(number: int) -> str:
    """The kind of a case."""
    return ROUND[number % len(ROUND)]


def first_of_each() -> list[int]:
    """The first case of every kind."""
    return sorted(map(ROUND.index, KINDS))


def make_case(seed: int, number: int, place: Path, seeds: Path) -> Case:
    """Write the files of a case into the empty folder `place`; `seeds` holds the valid inputs it starts from."""
    generate, _ = KINDS[kind_of(number)]
    return generate(random.Random(f"{seed}/{number}"), place, seeds)
