"""The verb `doctor`: what is installed and what this machine can do, or what a genome is made of."""

from genomask.cli.options import Ambiguous, Changes, GenomeRecipeName, MixedGenomes
from genomask.cli.recipes import look_at
from genomask.errors import SettingsError
from genomask.files.genomes import split_weights
from genomask.terminal.console import show


def doctor(
    genome: MixedGenomes = [],  # noqa: B006 - typer copies it
    recipe: GenomeRecipeName = "",
    ambiguous: Ambiguous = "error",
    changes: Changes = [],  # noqa: B006
) -> None:
    """Show what is installed, which attention backend would run and why, and how fast this machine trains.

    With --genome: what the genome is made of, and how much of it a recipe's windows would use.
    """
    if not genome:
        if recipe or changes:
            raise SettingsError("--recipe and --set are about the windows of a genome: give one with --genome.")
        from genomask.commands.doctor import findings

        show(findings())
        return
    paths, weights = split_weights(genome)
    look_at("genome", recipe, changes, [])

    from genomask.commands.genome_report import genome_report
    from genomask.data.opening import Inputs

    show(genome_report(Inputs(genome=paths, weights=weights, ambiguous=ambiguous), recipe, changes))
