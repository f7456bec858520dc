"""The verb `npmi`: count and score a genome's n-grams, look at a table. Each command is thin, as in cli.py.

`genomask npmi GENOME...` is short for `genomask npmi count GENOME...`.
"""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from genomask.report.console import console


class CountByDefault(TyperGroup):
    """A first word that names no command begins the arguments of `count`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `count` before arguments that leave it out."""
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["count", *args]
        return super().parse_args(ctx, args)


npmi = typer.Typer(
    cls=CountByDefault,
    no_args_is_help=True,
    help="Score every n-gram of a genome by how much more often it occurs than its parts predict (NPMI).\n\n"
    "To count and score: genomask npmi GENOME... --out table.npmi (all options: genomask npmi count --help)",
)

TableFile = Annotated[Path, typer.Argument(metavar="TABLE", help="A table that `genomask npmi` wrote.")]


@npmi.command()
def count(
    genome: Annotated[list[Path], typer.Argument(metavar="GENOME", help="FASTA files, plain, gzip or bgzip.")],
    out: Annotated[Path, typer.Option(help="File for the table.")],
    max_n: Annotated[int, typer.Option(help="Length of the longest n-grams, in bases.")] = 10,
) -> None:
    """Count and score all n-grams of a genome: what `genomask npmi GENOME...` does, the word `count` left out."""


@npmi.command()
def show(
    table: TableFile,
    top: Annotated[int, typer.Option(help="How many of the best words.")] = 50,
) -> None:
    """Print the words of a table that score best."""
