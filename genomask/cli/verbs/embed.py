"""The verb `embed`: sequences in, vectors out."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from genomask.cli.options import Ambiguous, BothStrands, ModelFolder, RegionsOf, SequencesFile, TableColumn
from genomask.files import inputs
from genomask.terminal.console import say


def embed(
    sequences: SequencesFile,
    model: ModelFolder,
    out: Annotated[
        Path,
        typer.Option(
            parser=inputs.output_stream,
            metavar="FILE",
            help="F.npy (names in F.names.txt), F.parquet or F.tsv; - for TSV on standard output.",
        ),
    ] = inputs.STDOUT,
    pooling: Annotated[
        Literal["mean", "center", "cls", "tokens"],
        typer.Option(
            help="How to pool a sequence's token vectors into one; tokens: keep all, with the bases they cover, "
            "counted along the sequence as read."
        ),
    ] = "mean",
    genome: RegionsOf = [],  # noqa: B006 - typer copies it
    sequence_column: TableColumn = "",
    ambiguous: Ambiguous = "error",
    both_strands: BothStrands = False,
) -> None:
    """Turn sequences into vectors."""
    inputs.require_model(model)

    from genomask.commands.embed import embed as run
    from genomask.data.sequences import SequenceFile

    asked = SequenceFile(path=sequences, genome=tuple(genome), column=sequence_column, ambiguous=ambiguous)
    if said := run(model, asked, pooling, out, both_strands=both_strands):
        say(said)
