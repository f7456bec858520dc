"""The verb `predict`: sequences and a classifier in, labels out."""

from pathlib import Path
from typing import Annotated

import typer

from genomask.cli.options import Ambiguous, BothStrands, RegionsOf, SequencesFile, TableColumn
from genomask.files import inputs
from genomask.inference.hub import found_model
from genomask.terminal.console import say


def predict(
    sequences: SequencesFile,
    model: Annotated[
        Path,
        typer.Option(
            parser=found_model,
            metavar="MODEL",
            help="Folder of a trained classifier, or owner/name on the Hugging Face hub.",
        ),
    ],
    out: Annotated[
        Path, typer.Option(parser=inputs.output_stream, metavar="FILE", help="F.tsv; - for standard output.")
    ] = inputs.STDOUT,
    genome: RegionsOf = [],  # noqa: B006 - typer copies it
    sequence_column: TableColumn = "",
    ambiguous: Ambiguous = "error",
    both_strands: BothStrands = False,
) -> None:
    """Label sequences with a trained classifier, and give a probability for each class."""
    inputs.require_model(model)

    from genomask.commands.predict import predict as run
    from genomask.data.sequences import SequenceFile

    asked = SequenceFile(path=sequences, genome=tuple(genome), column=sequence_column, ambiguous=ambiguous)
    if said := run(model, asked, out, both_strands=both_strands):
        say(said)
