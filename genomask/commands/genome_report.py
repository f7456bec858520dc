"""`genomask doctor --genome`: what a genome holds and what a recipe's windows use of it; a run keeps the same."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from rich.table import Table

from genomask.data.genome import Genome
from genomask.data.manifest import Manifest, WindowFacts
from genomask.data.opening import Inputs
from genomask.data.sources import Source
from genomask.recipe import GenomeRecipe, load_recipe
from genomask.settings.recipe_file import default_recipe
from genomask.training.records import write_record

if TYPE_CHECKING:
    import pandas as pd

GENOME = "genome.json"
"""In a run's folder."""


def genome_report(inputs: Inputs, recipe: str, changes: Sequence[str]) -> Iterator[Table]:
    """Tables of the genome, then of the windows of the recipe, by default this machine's.

    Raises SettingsError after the genome's tables if the windows find no room in it.
    """
    from genomask.report.tables import rich_table  # keep_manifest, which every run calls, needs no pandas

    genome = Genome.open(inputs.genome, ambiguous=inputs.ambiguous)
    manifest = Manifest.of(genome)
    yield rich_table(_file_frame(manifest), title="Files")
    yield rich_table(_frame(_genome_rows(manifest)), title="Genome")
    name = recipe or default_recipe("genome", has_gpu=torch.cuda.is_available())
    settings = load_recipe(name, changes)
    assert isinstance(settings, GenomeRecipe)
    windows = settings.open_source(inputs, Path()).windows
    facts = WindowFacts.of(genome, windows)
    yield rich_table(_frame(_window_rows(facts, manifest)), title=f"Windows of {name}")
    if facts.genomes:
        yield rich_table(_mixture_frame(facts), title="Genomes, by weight")


def keep_manifest(out: Path, source: Source) -> None:
    """Write what a run trains on into its folder, once; for text there is nothing to write."""
    if not (out / GENOME).exists() and (manifest := source.manifest()) is not None:
        write_record(out / GENOME, manifest)


def _file_frame(manifest: Manifest) -> "pd.DataFrame":
    import pandas as pd

    rows = [(file.path, f"{file.size:,}", file.sha256) for file in manifest.files]
    return pd.DataFrame(rows, columns=["file", "bytes", "SHA-256"])


def _frame(rows: list[tuple[str, str, str]]) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(rows, columns=["what", "found", "fraction, %"])


def _genome_rows(manifest: Manifest) -> list[tuple[str, str, str]]:
    bases = manifest.bases
    return [
        ("records", f"{manifest.records:,}", ""),
        ("bases", f"{bases:,}", ""),
        ("A, C, G, T", f"{manifest.acgt:,}", _percent(manifest.acgt, bases)),
        ("N", f"{manifest.n:,}", _percent(manifest.n, bases)),
        ("other letters, read as N", f"{manifest.other:,}", _percent(manifest.other, bases)),
        ("soft-masked", f"{manifest.soft_masked:,}", _percent(manifest.soft_masked, bases)),
        ("G and C of A, C, G, T", "", f"{100 * manifest.gc_fraction:.2f}"),
        ("runs of A, C, G, T", f"{manifest.runs:,}", ""),
        ("longest run", f"{manifest.longest_run:,}", _percent(manifest.longest_run, bases)),
        ("fingerprint", manifest.fingerprint, ""),
    ]


def _window_rows(facts: WindowFacts, manifest: Manifest) -> list[tuple[str, str, str]]:
    validation = facts.validation_windows * facts.validation_bases
    return [
        ("bases to train on", f"{facts.training:,}", _percent(facts.training, manifest.acgt)),
        ("stretches of them", f"{facts.training_intervals:,}", ""),
        ("bases left out", f"{facts.left_out:,}", _percent(facts.left_out, manifest.acgt)),
        ("bases of validation", f"{validation:,}", _percent(validation, manifest.acgt)),
        ("validation windows", f"{facts.validation_windows:,} of {facts.validation_bases:,}", ""),
        ("longest window", f"{facts.longest:,}", ""),
    ]


def _mixture_frame(facts: WindowFacts) -> "pd.DataFrame":
    import pandas as pd

    rows = [
        (
            genome.name,
            f"{100 * genome.fraction:.2f}",
            f"{genome.acgt:,}",
            f"{genome.training:,}",
            f"{genome.validation_windows:,}",
        )
        for genome in facts.genomes
    ]
    return pd.DataFrame(
        rows, columns=["genome", "of windows, %", "A, C, G, T", "bases to train on", "validation windows"]
    )


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f}"
