"""The verb `variants`: score the ALTs of a VCF."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from genomask.cli.options import Ambiguous, GenomeFiles, ModelFolder
from genomask.files import inputs
from genomask.terminal.console import show

LONGEST_WINDOW = 1_000_000
"""In bases."""


def variants(
    vcf: Annotated[
        Path,
        typer.Argument(parser=inputs.input_stream, metavar="VCF", help="Plain, gzip or bgzip; - reads standard input."),
    ],
    model: ModelFolder,
    genome: GenomeFiles,
    out: Annotated[
        Path,
        typer.Option(
            parser=inputs.output_stream,
            metavar="FILE",
            help="F.tsv, or F.vcf or F.vcf.gz: the VCF with GM_LLR in INFO. - writes a table to standard output.",
        ),
    ] = inputs.STDOUT,
    mismatch: Annotated[
        Literal["error", "skip"],
        typer.Option(help="For a REF that differs from the genome: 'error', or 'skip' to leave it without a score."),
    ] = "error",
    evaluate: Annotated[
        str,
        typer.Option(
            metavar="INFO",
            help="Measure how well scores separate variants by INFO: CLNSIG=Pathogenic,Likely_pathogenic or 'AF<0.01'. "
            "Values are split at , / and |.",
        ),
    ] = "",
    window: Annotated[
        int,
        typer.Option(
            min=0,
            max=LONGEST_WINDOW,
            show_default=False,
            help="Bases that the model sees at once. Default: as in its run, or 510 tokens.",
        ),
    ] = 0,
    ambiguous: Ambiguous = "error",
) -> None:
    """Score variants without training: log-likelihood ratio of ALT against REF under a mask over the changed bases."""
    inputs.require_model(model)

    from genomask.commands.variants.ranking import Criterion
    from genomask.commands.variants.variants import VariantRequest, score_vcf

    request = VariantRequest(
        model=model, genome=tuple(genome), vcf=vcf, out=out, ambiguous=ambiguous, mismatch=mismatch, window=window,
        criterion=Criterion.parse(evaluate) if evaluate else None,
    )  # fmt: skip
    show(score_vcf(request), stderr=out == inputs.STDOUT)  # the table of scores is on standard output
