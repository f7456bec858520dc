"""The verb `compare`: strategies, a genome and a task in, a verdict and a page out."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from genomask.cli.options import (
    USUAL_METHODS,
    Ambiguous,
    Changes,
    Draws,
    DryRun,
    GenomeRecipeName,
    LabelColumn,
    MixedGenomes,
    SequenceColumn,
    Shots,
    Test,
    Train,
    folder,
    read_methods,
    read_numbers,
)
from genomask.cli.recipes import look_at, with_options
from genomask.files.genomes import split_weights
from genomask.settings.strategy_text import read_list
from genomask.terminal.console import show


def compare(
    genome: MixedGenomes,
    train: Train,
    test: Test,
    masking: Annotated[str, typer.Option(help="Strategies, separated by commas.")] = (
        "uniform,contiguous,random-span,genemask"
    ),
    seeds: Annotated[
        int,
        typer.Option(min=1, max=1_000, help="Pretraining seeds of each strategy, 1 to 1,000: the unit of replication."),
    ] = 5,
    shots: Shots = "10,50,100",
    draws: Draws = 20,
    methods: Annotated[
        str,
        typer.Option(help="As in fewshot; the first that scores the pretrained encoder stays primary in later runs."),
    ] = USUAL_METHODS,
    sequence_column: SequenceColumn = "sequence",
    label_column: LabelColumn = "label",
    match: Annotated[
        Literal["tokens", "bases", "none"] | None,
        typer.Option(
            help="What all strategies mask an equal fraction of; none: published probabilities. Default: the recipe's."
        ),
    ] = None,
    recipe: GenomeRecipeName = "",
    ambiguous: Ambiguous = "error",
    changes: Changes = [],  # noqa: B006
    out: Annotated[
        Path,
        folder("Folder for the arms and report.html; arms already there are kept."),
    ] = Path("runs/compare"),
    dry_run: DryRun = False,
) -> None:
    """Compare masking strategies at equal compute: pretrain each, measure each few-shot, one verdict and one page."""
    changes = with_options(changes, {"--match": ("masking.match", match or "")})
    paths, weights = split_weights(genome)
    sizes, ways = read_numbers(shots, "--shots"), read_methods(methods)
    look_at("genome", recipe, changes, read_list(masking))

    from genomask.commands.compare.arms import Comparison
    from genomask.commands.compare.comparison import compare as run
    from genomask.commands.compare.page import write_comparison_page
    from genomask.commands.compare.words import result
    from genomask.commands.pretrain import chosen_recipe
    from genomask.data.opening import Inputs
    from genomask.data.tasks import Columns
    from genomask.fewshot.protocol import FewShotSettings
    from genomask.recipe import GenomeRecipe

    settings = chosen_recipe("genome", recipe, changes)
    assert isinstance(settings, GenomeRecipe)  # look_at has checked it
    comparison = Comparison(
        recipe=settings,
        inputs=Inputs(genome=paths, weights=weights, ambiguous=ambiguous),
        strategies=read_list(masking),
        seeds=seeds,
        pool=train,
        test=test,
        columns=Columns(sequence_column, label_column),
        fewshot=FewShotSettings(shots=sizes, draws=draws, methods=ways),
        out=out,
    )
    if dry_run:
        from genomask.commands.dry_run import compare_estimate

        show(compare_estimate(comparison))
        return
    outcome = run(comparison)
    show(result(outcome, write_comparison_page(outcome)))
