"""The verb `pretrain`: a recipe and a genome or text in, a run folder out."""

import logging
from pathlib import Path
from typing import Annotated

import typer

from genomask.cli.options import Ambiguous, Changes, DryRun, MixedGenomes, RecipeName, folder
from genomask.cli.recipes import look_at, with_options
from genomask.errors import SettingsError
from genomask.files import inputs
from genomask.files.genomes import split_weights
from genomask.inference.hub import found_model
from genomask.settings.recipe_file import apply_changes
from genomask.terminal.console import show
from genomask.training import distributed
from genomask.training.track import require_tracker

log = logging.getLogger(__name__)


@distributed.session()
def pretrain(
    genome: MixedGenomes = [],  # noqa: B006 - typer copies it
    corpus: Annotated[
        list[str],
        typer.Option(
            parser=inputs.corpus,
            metavar="SHARD...",
            help="JSON lines or Parquet: files, folders, patterns; or c4, hf:NAME, hf:NAME:CONFIG to stream.",
        ),
    ] = [],  # noqa: B006
    out: Annotated[Path, folder("Folder for the run: config, metrics, model.")] = Path("runs/pretrain"),
    recipe: RecipeName = "",
    masking: Annotated[
        str, typer.Option(help="Strategy, such as random-span, span:p=0.1, my_masks.py:mine. Default: the recipe's.")
    ] = "",
    vocabulary: Annotated[
        str, typer.Option(metavar="FILE", help="For text: a WordPiece vocab.txt. Default: learned; for c4, BERT's.")
    ] = "",
    ambiguous: Ambiguous = "error",
    changes: Changes = [],  # noqa: B006
    model: Annotated[
        Path | None,
        typer.Option(
            "--from",
            parser=found_model,
            metavar="MODEL",
            help="Start from the weights of a run or model (ours, DNABERT, BERT ...), with its shape and tokens.",
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue from the last checkpoint in --out.")] = False,
    dry_run: DryRun = False,
    track: Annotated[
        str, typer.Option(metavar="NAME", help="Log to tensorboard or wandb as well (the extra 'track').")
    ] = "",
) -> None:
    """Pretrain an encoder on a genome or on text."""
    if bool(genome) == bool(corpus):
        raise SettingsError("pretrain takes either --genome FASTA or --corpus SHARDS; give one of them.")
    paths, weights = split_weights(genome)
    options = {"--masking": ("masking.strategy", masking), "--vocabulary": ("tokens.vocabulary", vocabulary)}
    changes = with_options(changes, options)
    kind = "genome" if genome else "text"
    look_at(kind, recipe, changes, [masking] if masking else [])
    if vocabulary:
        inputs.input_file(vocabulary)
    if model is not None:
        inputs.require_model(model)
    require_tracker(track)

    from genomask.commands.pretrain import chosen_recipe, origin_of
    from genomask.commands.pretrain import pretrain as run
    from genomask.commands.run_folder.mask_choice import mask_sentence
    from genomask.data.opening import Inputs

    given = Inputs(genome=paths, weights=weights, ambiguous=ambiguous, corpus=tuple(corpus))
    origin = origin_of(model, kind, out, resume=resume)
    settings = chosen_recipe(kind, recipe, changes, origin)
    asked_for = "strategy" in apply_changes({}, changes).get("masking", {})
    log.info("%s", mask_sentence(settings, asked_for=asked_for))
    if dry_run:
        from genomask.commands.dry_run import pretrain_estimate

        show(pretrain_estimate(settings, given, out, origin, resume))
        return
    run(settings, given, out, origin=origin, resume=resume, track=track)
    if distributed.is_main():
        from genomask.commands.run_folder.report import report_run

        show(report_run(out))
