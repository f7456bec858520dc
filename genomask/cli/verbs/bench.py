"""The verb `bench`: models and a suite of benchmarks in, one table and page out."""

from pathlib import Path
from typing import Annotated

import typer

from genomask.cli.options import USUAL_METHODS, FineTuning, Methods, folder, read_methods
from genomask.files import inputs
from genomask.files.genomes import input_genome
from genomask.inference.hub import found_model
from genomask.terminal.console import show


def bench(
    suite: Annotated[
        Path,
        typer.Argument(
            parser=inputs.input_folder,
            metavar="SUITE",
            help="Folder of one task or several, of GUE, Genomic Benchmarks, GeneMask or Nucleotide Transformer.",
        ),
    ],
    model: Annotated[
        list[Path],
        typer.Option(
            parser=found_model,
            metavar="MODEL",
            help="Folder of a model or run, or owner/name on the Hugging Face hub. Repeatable, side by side.",
        ),
    ],
    genome: Annotated[
        list[Path],
        typer.Option(
            parser=input_genome,
            metavar="FILE",
            help="The genome of a suite given as coordinates (Genomic Benchmarks). Repeatable.",
        ),
    ] = [],  # noqa: B006 - typer copies it
    methods: Methods = USUAL_METHODS,
    seeds: Annotated[
        int, typer.Option(min=1, max=1000, help="How often to train a method that has a seed, 1 to 1,000.")
    ] = 3,
    schedule: FineTuning = "linear-first",
    out: Annotated[Path, folder("Folder for the page, results.csv and summary.csv.")] = Path("runs/bench"),
) -> None:
    """Run a benchmark suite as downloaded: published split and metric, beside floors."""
    ways = read_methods(methods)
    for one in model:
        inputs.require_model(one)

    from genomask.commands.bench.bench import BenchRequest
    from genomask.commands.bench.bench import bench as run
    from genomask.fewshot.finetune import FineTuneSettings
    from genomask.fewshot.protocol import FewShotSettings

    trained = FineTuneSettings(schedule=schedule)
    settings = FewShotSettings(whole=True, draws=seeds, methods=ways, finetune=trained)
    show(run(BenchRequest(suite=suite, models=tuple(model), genome=tuple(genome), settings=settings, out=out)))
