"""The verb `leaks`: which sequences of one file are in another."""

from pathlib import Path
from typing import Annotated

import typer

from genomask.cli.options import Ambiguous, DnaColumn
from genomask.files import inputs
from genomask.files.genomes import input_kept
from genomask.terminal.console import show

FILES = "TSV or CSV with a column sequence (and name), or FASTA, such as a genome; - for standard input."


def leaks(
    a: Annotated[
        Path, typer.Argument(parser=input_kept, metavar="A", help=f"What to look for, such as a test set. {FILES}")
    ],
    b: Annotated[
        Path,
        typer.Argument(
            parser=input_kept, metavar="B", help="Where to look: a training set or a genome, in the same formats."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            parser=inputs.output_file, metavar="FILE", help="F.tsv for the sequences of A that were found, one per row."
        ),
    ] = None,
    sequence_column: DnaColumn = "",
    ambiguous: Ambiguous = "error",
) -> None:
    """Find sequences of A in B: whole, as reverse complement, or by 32 bases in a row on either strand."""
    from genomask.commands.leaks import find_leaks

    show(find_leaks(a, b, out, column=sequence_column, ambiguous=ambiguous))
