"""The verb `npmi`: count and score a genome's n-grams, look at a table.

`genomask npmi GENOME...` is short for `genomask npmi count GENOME...`.
"""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from genomask.cli.options import GENOME_HELP, Ambiguous, file
from genomask.errors import SettingsError
from genomask.files import inputs
from genomask.files.genomes import input_genome
from genomask.settings.spelling import did_you_mean
from genomask.terminal.console import show

LONGEST_WORDS = 12
"""In bases; a table has 4**n counts."""
MOST_FLANK = MOST_WORDS = 10**9
MOST_COUNT = 2**63 - 1


class CountByDefault(TyperGroup):
    """A first word that names no command begins the arguments of `count`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `count` before arguments that leave it out."""
        first = args[0] if args else "--help"
        if first in self.commands or first == "--help":
            return super().parse_args(ctx, args or [first])
        if not first.startswith("-") and not os.path.exists(first) and (near := did_you_mean(first, self.commands)):
            raise SettingsError(f"npmi has no command {first!r}, and there is no file of that name.{near}")
        return super().parse_args(ctx, ["count", *args])


npmi = typer.Typer(
    cls=CountByDefault,
    help="Score every n-gram of a genome by how much more often it occurs than its parts predict (NPMI).\n\n"
    "To count and score: genomask npmi GENOME... --out table.npmi (all options: genomask npmi count --help)",
)

TableFile = Annotated[
    Path, typer.Argument(parser=inputs.input_table, metavar="TABLE", help="A table that `genomask npmi` wrote.")
]


@npmi.command()
def count(
    genome: Annotated[
        list[Path],
        typer.Argument(parser=input_genome, metavar="GENOME...", help=f"{GENOME_HELP}."),
    ],
    out: Annotated[Path, file("File for the table; an existing table is replaced.")],
    max_n: Annotated[
        int, typer.Option(min=2, max=LONGEST_WORDS, help="Length of the longest n-grams, 2 to 12 bases.")
    ] = 10,
    definition: Annotated[
        Literal["exact", "released"],
        typer.Option(help="exact: over all segmentations; released: as in the published table."),
    ] = "exact",
    strand: Annotated[
        Literal["forward", "both"], typer.Option(help="both: a word gets the score of its reverse complement.")
    ] = "forward",
    bed: Annotated[
        Path | None,
        typer.Option(
            parser=inputs.input_file, metavar="BED", help="Count only the regions of this BED file. Default: all."
        ),
    ] = None,
    flank: Annotated[
        int,
        typer.Option(min=0, max=MOST_FLANK, help="Bases added on both sides of each region, never beyond its record."),
    ] = 0,
    min_count: Annotated[
        int, typer.Option(min=2, max=MOST_COUNT, help="Words counted fewer times get no score; at least 2.")
    ] = 101,
    tsv: Annotated[Path | None, file("Also write all scores here as tab-separated text.")] = None,
    ambiguous: Ambiguous = "error",
) -> None:
    """Count and score all n-grams of a genome; `genomask npmi GENOME...`, without `count`, does the same."""
    from genomask.commands.npmi import NpmiRequest, count_words

    request = NpmiRequest(
        genome=tuple(genome),
        ambiguous=ambiguous,
        bed=bed,
        flank=flank,
        max_n=max_n,
        min_count=min_count,
        definition=definition,
        strand=strand,
    )
    show(count_words(request, out, tsv))


@npmi.command("show")
def best(
    table: TableFile,
    top: Annotated[int, typer.Option(min=1, max=MOST_WORDS, help="How many of the best words to print.")] = 50,
    n: Annotated[
        int | None,
        typer.Option(
            min=2, max=LONGEST_WORDS, help="Their length, 2 to 12 bases. Default: the longest that has scores."
        ),
    ] = None,
    tsv: Annotated[Path | None, file("Also write all scores (of --n, if given) here as text.")] = None,
) -> None:
    """Print the best-scoring words of a table."""
    from genomask.commands.npmi import best_words

    show(best_words(table, n, top, tsv))


@npmi.command()
def motifs(
    table: TableFile,
    jaspar: Annotated[
        Path,
        typer.Option(parser=inputs.input_file, metavar="FILE", help="Motif matrices in JASPAR format, plain or gzip."),
    ],
    n: Annotated[int, typer.Option(min=2, max=LONGEST_WORDS, help="Length of the words, 2 to 12 bases.")] = 6,
    top: Annotated[int, typer.Option(min=1, max=MOST_WORDS, help="How many of the best words to test.")] = 100,
    match_fraction: Annotated[
        float,
        typer.Option(help="The best-scoring fraction of all words count as matches of a motif: above 0, at most 0.5."),
    ] = 0.01,
    out: Annotated[Path | None, file("CSV file for the whole result.")] = None,
) -> None:
    """Test whether the best words match motifs more often than other words of similar GC, count and repetition."""
    from genomask.commands.motifs.enrichment import tested_motifs

    show(tested_motifs(table, jaspar, n, top, match_fraction, out))
