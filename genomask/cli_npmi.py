"""The verb `npmi`: count and score a genome's n-grams, look at a table. Each command is thin, as in cli.py.

`genomask npmi GENOME...` is short for `genomask npmi count GENOME...`.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

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

Ambiguous = Annotated[str, typer.Option(help="IUPAC letters such as R: 'error', or 'n' to read them as N.")]
TableFile = Annotated[Path, typer.Argument(metavar="TABLE", help="A table that `genomask npmi` wrote.")]


@npmi.command()
def count(
    genome: Annotated[list[Path], typer.Argument(metavar="GENOME", help="FASTA files, plain, gzip or bgzip.")],
    out: Annotated[Path, typer.Option(help="File for the table; a table that is there is replaced.")],
    max_n: Annotated[int, typer.Option(help="Length of the longest n-grams, in bases: 2 to 12.")] = 10,
    definition: Annotated[
        Literal["exact", "released"], typer.Option(help="Over all segmentations; or as the published table is.")
    ] = "exact",
    strand: Annotated[
        Literal["forward", "both"], typer.Option(help="both: a word scores like its reverse complement.")
    ] = "forward",
    bed: Annotated[Path | None, typer.Option(help="Count only the regions of this BED file. Default: all.")] = None,
    min_count: Annotated[int, typer.Option(help="Words counted fewer times get no score.")] = 101,
    tsv: Annotated[Path | None, typer.Option(help="Also write all scores here as tab-separated text.")] = None,
    ambiguous: Ambiguous = "error",
) -> None:
    """Count and score all n-grams of a genome: what `genomask npmi GENOME...` does, the word `count` left out."""
    from genomask.experiments.npmi import NpmiRequest, count_and_save
    from genomask.report.npmi_frames import lengths_frame, origin
    from genomask.report.tables import rich_table

    request = NpmiRequest(
        genome=tuple(genome),
        ambiguous=ambiguous,
        bed=bed,
        max_n=max_n,
        min_count=min_count,
        definition=definition,
        strand=strand,
    )
    table = count_and_save(request, out, tsv)
    console().print(rich_table(lengths_frame(table), caption=origin(table)))
    print(f"table: {out}" + (f"\ntext: {tsv}" if tsv else ""))


@npmi.command()
def show(
    table: TableFile,
    top: Annotated[int, typer.Option(min=1, help="How many of the best words.")] = 50,
    n: Annotated[int | None, typer.Option(min=1, help="Their length, in bases. Default: the longest there is.")] = None,
    tsv: Annotated[Path | None, typer.Option(help="Also write all scores (of that --n) here as text.")] = None,
) -> None:
    """Print the words of a table that score best."""
    from genomask.experiments.npmi import export_tsv
    from genomask.masking.npmi import NpmiTable
    from genomask.report.npmi_frames import best_frame, origin
    from genomask.report.tables import rich_table

    counted = NpmiTable.load(table)
    if tsv:
        export_tsv(counted, n, tsv, table)
    console().print(rich_table(best_frame(counted, counted.max_n if n is None else n, top), caption=origin(counted)))


@npmi.command()
def motifs(
    table: TableFile,
    jaspar: Annotated[Path, typer.Option(help="Motif matrices in JASPAR format, plain or gzip.")],
    n: Annotated[int, typer.Option(min=1, help="Length of the words, in bases.")] = 6,
    top: Annotated[int, typer.Option(min=1, help="How many of the best words are tested.")] = 100,
    match_share: Annotated[float, typer.Option(help="Share of all words that match a motif: those scoring best.")] = (
        0.01
    ),
    out: Annotated[Path | None, typer.Option(help="CSV file for the whole result.")] = None,
) -> None:
    """Test whether the best words are motifs more often than other words of like GC, count and repetition."""
    from genomask.atomic import atomic_write
    from genomask.experiments.motifs import is_csv, motif_enrichment
    from genomask.experiments.output_files import require_own, require_writable, writing
    from genomask.masking.npmi import NpmiTable
    from genomask.report.tables import rich_table

    if out:
        require_writable(out, "--out", [table, jaspar])
        require_own(out, "--out", is_csv, "such a result")
    found = motif_enrichment(NpmiTable.load(table), jaspar, n, top, match_share)
    console().print(rich_table(found.shown(), caption=found.caption))
    console().print(found.sentence)
    if out:
        with writing(out, "--out"):
            atomic_write(out, found.table.to_csv(index=False))
