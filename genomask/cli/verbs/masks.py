"""The verb `masks`: see what strategies hide in one sequence."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from genomask.cli.options import Ambiguous, Seed, file
from genomask.files import inputs
from genomask.files.genomes import input_genome
from genomask.settings.ranges import require
from genomask.settings.strategy_text import read_list
from genomask.terminal.console import console, show


def masks(
    sequence: Annotated[
        str,
        typer.Argument(
            help="Letters A C G T N, or FASTA:RECORD or FASTA:RECORD:FIRST-LAST, counted from 1, both ends included."
        ),
    ],
    masking: Annotated[str, typer.Option(help="Strategies, separated by commas; parameters as NAME:key=value.")] = (
        "uniform,contiguous,random-span"
    ),
    k: Annotated[int, typer.Option("--k", min=1, max=8, help="Bases in a token, 1 to 8.")] = 6,
    rate: Annotated[float, typer.Option(help="Fraction to mask, between 0 and 1.")] = 0.15,
    match: Annotated[
        Literal["tokens", "bases", "none"],
        typer.Option(help="What the rate is a fraction of; none: published probabilities."),
    ] = "tokens",
    npmi: Annotated[
        Path | None,
        typer.Option(
            parser=inputs.input_table, metavar="TABLE", help="Table made by genomask npmi. Default: count the FASTA."
        ),
    ] = None,
    genome: Annotated[
        list[Path],
        typer.Option(parser=input_genome, metavar="FILE...", help="For letters: genome files to count NPMI in."),
    ] = [],  # noqa: B006
    ambiguous: Ambiguous = "error",
    seed: Seed = 0,
    out: Annotated[Path, file("The picture: .svg, .png or .pdf; one that masks wrote is replaced.")] = Path(
        "masks.svg"
    ),
) -> None:
    """Show which tokens strategies mask in a sequence, and which bases are really hidden."""
    inputs.require_sequence(sequence)
    inputs.require_strategies(read_list(masking))
    require(0 <= rate <= 1, "--rate", "a number from 0 to 1", rate)

    from genomask.commands.masks import MaskQuestion, draw_masks

    question = MaskQuestion(
        sequence=sequence, strategies=read_list(masking), k=k, rate=rate, match=match, npmi=npmi,
        genome=tuple(genome), ambiguous=ambiguous, seed=seed,
    )  # fmt: skip
    show(draw_masks(question, out, console().width))
