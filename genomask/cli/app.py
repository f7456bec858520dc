"""The command line: parse, import the room, call one function, show the result.

Rooms are imported inside the verbs: `genomask --help` must not wait for torch.
"""

import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from genomask import __version__
from genomask.cli.masks import masks
from genomask.cli.npmi import npmi
from genomask.cli.options import (
    ALL_METHODS,
    LOUDNESS,
    Ambiguous,
    Changes,
    Draws,
    GenomeFiles,
    LabelColumn,
    Methods,
    ModelFolder,
    RecipeName,
    Seed,
    SequenceColumn,
    Shots,
    Test,
    Train,
    folder,
    read_methods,
    read_numbers,
    repeat_options,
    usage_sentence,
)
from genomask.cli.tokenizer import tokenizer
from genomask.cli.variants import variants
from genomask.cli.verbs.embed import embed
from genomask.cli.verbs.predict import predict
from genomask.errors import SettingsError, Stopped, UserError, disk_sentence
from genomask.fewshot.methods import WITHOUT_MODEL
from genomask.files import inputs
from genomask.machine.process import keep_freed_memory
from genomask.settings.recipe_file import default_recipe, read_tables
from genomask.settings.strategy_text import read_list
from genomask.terminal.console import escape_what_the_terminal_lacks, log_to_terminal, say, say_error, show
from genomask.training import distributed

app = typer.Typer(
    help="Pretrain a masked language model on your genome or on text, and learn which masking earns its compute.",
    pretty_exceptions_enable=False,
)
app.add_typer(npmi, name="npmi")
app.add_typer(tokenizer, name="tokenizer")

log = logging.getLogger(__name__)
UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""What typer raises for a command line that it cannot take apart."""


def main() -> None:
    """Run a verb; a mistake that a person can mend is one line on stderr and exit 2."""
    escape_what_the_terminal_lacks()
    log_to_terminal(logging.INFO)
    keep_freed_memory()
    try:
        sys.exit(app(repeat_options(sys.argv[1:]) or ["--help"], standalone_mode=False) or 0)
    except UsageError as error:
        say_error(usage_sentence(error))
    except UserError as error:
        say_error(str(error))
    except BrokenPipeError:  # whoever read the result has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(0)
    except OSError as error:
        say_error(disk_sentence(error))
    except MemoryError as error:
        say_error(f"there is not enough memory for this ({error or 'none is left'}); ask for less, or free some.")
    except RuntimeError as error:
        if "allocate memory" not in str(error):  # torch's own MemoryError
            raise
        say_error("there is not enough memory for this; ask for less (a smaller encoder or microbatch), or free some.")
    except Stopped as stopped:
        say(str(stopped), stderr=True)
        sys.exit(128 + stopped.signal_number)
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(130)
    sys.exit(2)


def _show_version(is_asked: bool) -> None:
    if is_asked:
        say(f"genomask {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Say the version and end.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print errors and the result, no bars and no notes.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Print the debug log too.")] = False,
) -> None:
    """Options of genomask itself; its help is the app's."""
    if quiet and verbose:
        raise SettingsError("--quiet and --verbose exclude each other; give one of them.")
    if quiet or verbose:
        log_to_terminal(LOUDNESS["--quiet" if quiet else "--verbose"])


@app.command()
@distributed.session()
def pretrain(
    genome: GenomeFiles = [],  # noqa: B006 - typer copies it
    corpus: Annotated[
        list[str],
        typer.Option(
            parser=inputs.corpus, metavar="SHARD...", help="C4-format shards or their folder; or c4 to stream it."
        ),
    ] = [],  # noqa: B006
    out: Annotated[Path, folder("Folder of the run: config, metrics, model.")] = Path("runs/pretrain"),
    recipe: RecipeName = "",
    masking: Annotated[
        str, typer.Option(help="As random-span, span:p=0.1, my_masks.py:mine. Default: the recipe's.")
    ] = "",
    vocabulary: Annotated[
        str, typer.Option(metavar="FILE", help="Text: a WordPiece vocab.txt. Default: learned; for c4 BERT's.")
    ] = "",
    ambiguous: Ambiguous = "error",
    changes: Changes = [],  # noqa: B006
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in --out.")] = False,
) -> None:
    """Pretrain an encoder on a genome or on text."""
    if bool(genome) == bool(corpus):
        raise SettingsError("pretrain takes either --genome FASTA or --corpus SHARDS; give one of them.")
    changes = [*changes, *_changes({"masking.strategy": masking, "tokens.vocabulary": vocabulary})]
    kind = "genome" if genome else "text"
    _look_at(kind, recipe, changes, [masking] if masking else [])
    if vocabulary:
        inputs.input_file(vocabulary)

    from genomask.commands.pretrain import chosen_recipe
    from genomask.commands.pretrain import pretrain as run
    from genomask.commands.run.mask_choice import mask_sentence
    from genomask.commands.run.report import report_run
    from genomask.data.opening import Inputs

    given = Inputs(genome=tuple(map(str, genome)), ambiguous=ambiguous, corpus=tuple(corpus))
    settings = chosen_recipe(kind, recipe, changes)
    asked_for = any(change.startswith("masking.strategy=") for change in changes)
    log.info("%s", mask_sentence(settings, asked_for=asked_for))
    run(settings, given, out, resume=resume)
    if distributed.is_main():
        show(report_run(out))


@app.command()
def fewshot(
    model: ModelFolder,
    train: Train,
    test: Test,
    shots: Shots = "10,50,100",
    draws: Draws = 20,
    methods: Methods = ALL_METHODS,
    sequence_column: SequenceColumn = "sequence",
    label_column: LabelColumn = "label",
    pooling: Annotated[
        Literal["mean", "center", "cls"],
        typer.Option(help="The probe's vector of a sequence, from its tokens' vectors."),
    ] = "mean",
    out: Annotated[
        Path,
        folder("Folder for results.csv, summary.csv and the picture."),
    ] = Path("runs/fewshot"),
) -> None:
    """Say how good an encoder is with few labelled sequences, beside floors that need no pretraining."""
    sizes, ways = read_numbers(shots, "--shots"), read_methods(methods)
    if not set(ways) <= set(WITHOUT_MODEL):
        inputs.require_model(model)

    from genomask.commands.fewshot import measure
    from genomask.data.tasks import Columns
    from genomask.fewshot.protocol import FewShotSettings
    from genomask.inference.pooling import VectorSettings

    vectors = VectorSettings(pooling=pooling)
    settings = FewShotSettings(shots=sizes, draws=draws, methods=ways, vectors=vectors)
    show(measure(model, train, test, settings, out, Columns(sequence_column, label_column)))


@app.command()
def compare(
    genome: GenomeFiles,
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
    methods: Annotated[str, typer.Option(help="As in fewshot; the first that needs a model is primary.")] = ALL_METHODS,
    sequence_column: SequenceColumn = "sequence",
    label_column: LabelColumn = "label",
    match: Annotated[
        Literal["tokens", "bases", "none"] | None,
        typer.Option(help="What all strategies mask an equal share of. Default: the recipe's."),
    ] = None,
    recipe: RecipeName = "",
    ambiguous: Ambiguous = "error",
    changes: Changes = [],  # noqa: B006
    out: Annotated[
        Path,
        folder("Folder of the arms and report.html; an arm that is there is kept."),
    ] = Path("runs/compare"),
) -> None:
    """Compare masking strategies at equal compute: pretrain each, measure each few-shot, one verdict and one page."""
    changes = [*changes, *_changes({"masking.match": match or ""})]
    sizes, ways = read_numbers(shots, "--shots"), read_methods(methods)
    _look_at("genome", recipe, changes, read_list(masking))

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
    assert isinstance(settings, GenomeRecipe)  # as _look_at has seen
    comparison = Comparison(
        recipe=settings,
        inputs=Inputs(genome=tuple(map(str, genome)), ambiguous=ambiguous),
        strategies=read_list(masking),
        seeds=seeds,
        pool=train,
        test=test,
        columns=Columns(sequence_column, label_column),
        fewshot=FewShotSettings(shots=sizes, draws=draws, methods=ways),
        out=out,
    )
    outcome = run(comparison)
    show(result(outcome, write_comparison_page(outcome)))


@app.command()
def demo(
    out: Annotated[Path, folder("Folder of the demo and its report.html.")] = Path("runs/demo"),
    seed: Seed = 0,
) -> None:
    """Simulate a genome, compare two masking strategies on it and write a report, in minutes on a laptop."""
    from genomask.commands.demo.demo import run_demo

    show(run_demo(out, seed))


app.command()(masks)
app.command()(embed)
app.command()(predict)
app.command()(variants)


@app.command()
def export(
    model: ModelFolder,
    to: Annotated[
        Literal["mosaicbert", "bert"], typer.Option(help="Names to write: mosaicbert (also DNABERT-2's) or bert.")
    ],
    out: Annotated[
        Path,
        folder("New folder for config.json, model.safetensors and the tokenizer."),
    ],
) -> None:
    """Write a model under the names other tools know, every weight bit by bit."""
    inputs.require_model(model)

    from genomask.commands.export import export as run

    say(run(model, to, out))


@app.command()
def doctor() -> None:
    """Say what is installed, which attention backend would run and why, and how fast this machine trains."""
    from genomask.commands.doctor import findings

    show(findings())


def _look_at(kind: str, recipe: str, changes: list[str], strategies: Sequence[str]) -> None:
    """Raises SettingsError for a recipe, a change or a strategy that cannot be, before anything heavy is imported."""
    inputs.require_strategies(strategies)
    found = read_tables(recipe or default_recipe(kind), changes)["kind"]
    if found != kind:
        raise SettingsError(f"recipe {recipe} is for {found}; this command needs one for {kind}.")


def _changes(asked: dict[str, str]) -> list[str]:
    return [f"{key}={value}" for key, value in asked.items() if value]
