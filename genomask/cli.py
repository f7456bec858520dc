"""The command line: parse, import the room, call one function, show the result.

Rooms are imported inside the verbs: `genomask --help` must not wait for torch.
"""

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.logging import RichHandler

from genomask import __version__
from genomask.allocator import keep_freed_memory
from genomask.cli_npmi import Ambiguous, npmi
from genomask.errors import SettingsError, Stopped, UserError
from genomask.report.console import console

if TYPE_CHECKING:
    from genomask.experiments.compare import Outcome

app = typer.Typer(
    help="Pretrain a masked language model on your genome or on text, and learn which masking earns its compute.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(npmi, name="npmi")

GenomeFiles = Annotated[list[Path], typer.Option(help="FASTA files, plain, gzip or bgzip.")]
RecipeName = Annotated[str, typer.Option(help="Recipe name or TOML file. Default: tiny without a GPU, base with one.")]
Changes = Annotated[list[str], typer.Option("--set", help="Change one setting, as training.steps=60. Repeatable.")]
Train = Annotated[Path, typer.Option(help="TSV or CSV with columns sequence and label: the pool that shots come from.")]
Test = Annotated[Path, typer.Option(help="The same for the test, which touches no choice.")]
Shots = Annotated[str, typer.Option(help="Examples of each class to train on, separated by commas.")]
Draws = Annotated[int, typer.Option(help="Random draws of the examples at each number of shots.")]
Methods = Annotated[str, typer.Option(help="Some of finetune, probe, kmer-logreg, random-init.")]

ALL_METHODS = "finetune,probe,kmer-logreg,random-init"
MOST_SEED = 2**63 - 1
MANY_VALUES = ("--genome", "--corpus")
"""Options that take all the values up to the next option, as a shell's *.fa.gz gives them."""


def main() -> None:
    """Run a verb; a mistake that a person can mend is one line on stderr and exit 2."""
    logging.basicConfig(
        format="%(message)s",
        level=logging.WARNING,
        handlers=[RichHandler(console=Console(stderr=True), show_time=False, show_path=False)],
    )
    logging.getLogger("genomask").setLevel(logging.INFO)
    keep_freed_memory()
    try:
        app(spread(sys.argv[1:]))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except Stopped as stopped:
        print(stopped, file=sys.stderr)
        sys.exit(128 + stopped.signal_number)
    except KeyboardInterrupt:
        sys.exit(130)


def spread(arguments: Sequence[str]) -> list[str]:
    """`--genome a b` -> `--genome a --genome b`."""
    repeated: list[str] = []
    option = ""
    for argument in arguments:
        if argument.startswith("-"):
            option = argument if argument in MANY_VALUES else ""
        elif option and repeated[-1] != option:
            repeated.append(option)
        repeated.append(argument)
    return repeated


def _show_version(is_asked: bool) -> None:
    if is_asked:
        print(f"genomask {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Say the version and end.")
    ] = False,
) -> None:
    """Options of genomask itself; its help is the app's."""


@app.command()
def pretrain(
    genome: GenomeFiles = [],  # noqa: B006 - typer copies it
    corpus: Annotated[list[str], typer.Option(help="C4-format shards or their folder; or c4 to stream it.")] = [],  # noqa: B006
    out: Annotated[Path, typer.Option(help="Folder of the run: config, metrics, model.")] = Path("runs/pretrain"),
    recipe: RecipeName = "",
    masking: Annotated[
        str, typer.Option(help="As random-span, span:p=0.1, my_masks.py:mine. Default: the recipe's.")
    ] = "",
    vocabulary: Annotated[str, typer.Option(help="Text: a WordPiece vocab.txt. Default: learned; for c4 BERT's.")] = "",
    ambiguous: Ambiguous = "error",
    changes: Changes = [],  # noqa: B006
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in --out.")] = False,
) -> None:
    """Pretrain an encoder on a genome or on text."""
    from genomask.experiments.chosen_mask import mask_sentence
    from genomask.experiments.pretrain import Inputs
    from genomask.experiments.pretrain import pretrain as run
    from genomask.experiments.run_report import report_run

    if bool(genome) == bool(corpus):
        raise SettingsError("pretrain takes either --genome FASTA or --corpus SHARDS; give one of them.")
    changes = [*changes, *_changes({"masking.strategy": masking, "tokens.vocabulary": vocabulary})]
    settings = _recipe("genome" if genome else "text", recipe, changes)
    asked_for = any(change.startswith("masking.strategy=") for change in changes)
    print(mask_sentence(settings, asked_for=asked_for), flush=True)
    inputs = Inputs(genome=tuple(map(str, genome)), ambiguous=ambiguous, corpus=tuple(corpus))
    run(settings, inputs, out, resume=resume)
    console().print(report_run(out))


@app.command()
def fewshot(
    model: Annotated[Path, typer.Option(help="Folder of a pretrained model, such as runs/pretrain/model.")],
    train: Train,
    test: Test,
    shots: Shots = "10,50,100",
    draws: Draws = 20,
    methods: Methods = ALL_METHODS,
    pool: Annotated[str, typer.Option(help="The probe's vector of a sequence: mean, center or cls.")] = "mean",
    out: Annotated[Path, typer.Option(help="Folder for results.csv, summary.csv and the picture.")] = Path(
        "runs/fewshot"
    ),
) -> None:
    """Say how good an encoder is with few labelled sequences, beside floors that need no pretraining."""
    from genomask.experiments.judge import judge
    from genomask.fewshot.protocol import FewShotSettings

    settings = FewShotSettings(shots=_numbers(shots, "--shots"), draws=draws, methods=_words(methods), pool=pool)
    for part in judge(model, train, test, settings, out):
        console().print(part)


@app.command()
def compare(
    genome: GenomeFiles,
    train: Train,
    test: Test,
    masking: Annotated[str, typer.Option(help="Strategies, separated by commas.")] = (
        "uniform,contiguous,random-span,genemask"
    ),
    seeds: Annotated[int, typer.Option(help="Pretraining seeds of each strategy: the unit of replication.")] = 5,
    shots: Shots = "10,50,100",
    draws: Draws = 20,
    methods: Annotated[str, typer.Option(help="As in fewshot; the first that needs a model is primary.")] = ALL_METHODS,
    match: Annotated[
        str, typer.Option(help="Strategies mask equal shares of: tokens, bases, or none. Default: the recipe's.")
    ] = "",
    recipe: RecipeName = "",
    ambiguous: Ambiguous = "error",
    changes: Changes = [],  # noqa: B006
    out: Annotated[Path, typer.Option(help="Folder of the arms and report.html; an arm that is there is kept.")] = Path(
        "runs/compare"
    ),
) -> None:
    """Compare masking strategies at equal compute: pretrain each, judge each few-shot, one verdict and one page."""
    from genomask.experiments.arms import Comparison
    from genomask.experiments.compare import compare as run
    from genomask.experiments.compare_page import write_comparison_page
    from genomask.experiments.pretrain import Inputs
    from genomask.fewshot.protocol import FewShotSettings
    from genomask.masking.names import read_list

    comparison = Comparison(
        recipe=_recipe("genome", recipe, [*changes, *_changes({"masking.match": match})]),
        inputs=Inputs(genome=tuple(map(str, genome)), ambiguous=ambiguous),
        strategies=read_list(masking),
        seeds=seeds,
        pool=train,
        test=test,
        fewshot=FewShotSettings(shots=_numbers(shots, "--shots"), draws=draws, methods=_words(methods)),
        out=out,
    )
    outcome = run(comparison)
    _show(outcome, write_comparison_page(outcome))


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder of the demo and its report.html.")] = Path("runs/demo"),
    seed: Annotated[int, typer.Option(min=0, max=MOST_SEED, help="Of the simulated genome and its task.")] = 0,
) -> None:
    """Simulate a genome, compare two masking strategies on it and write a report, in minutes on a laptop."""
    from genomask.experiments.demo import run_demo

    print(f"two encoders are trained on a simulated genome, in minutes; their logs are in {out / 'arms'}", flush=True)
    outcome, sentence = run_demo(out, seed)
    _show(outcome, out / "report.html")
    print(sentence)


@app.command()
def masks(
    sequence: Annotated[
        str,
        typer.Argument(
            help="Letters A C G T N, or FASTA:RECORD or FASTA:RECORD:FIRST-LAST, counted from 1, both ends included."
        ),
    ],
    masking: Annotated[str, typer.Option(help="Strategies, by commas; parameters as NAME:key=value.")] = (
        "uniform,contiguous,random-span"
    ),
    k: Annotated[int, typer.Option("--k", help="Bases in a token, 1 to 8.")] = 6,
    rate: Annotated[float, typer.Option(help="Share to mask, between 0 and 1.")] = 0.15,
    match: Annotated[str, typer.Option(help="What the rate is a share of: tokens, bases, or none.")] = "tokens",
    npmi: Annotated[Path | None, typer.Option(help="Table made by genomask npmi. Default: count the FASTA.")] = None,
    genome: Annotated[list[Path], typer.Option(help="FASTA files to count the NPMI in, for letters.")] = [],  # noqa: B006
    ambiguous: Ambiguous = "error",
    seed: Annotated[int, typer.Option(min=0, max=MOST_SEED, help="Of the random draws.")] = 0,
    out: Annotated[Path, typer.Option(help="The picture: .svg, .png or .pdf.")] = Path("masks.svg"),
) -> None:
    """Show which tokens strategies mask in a sequence, and which bases that really hides."""
    from genomask.experiments.masks import MANY_MASKS, MaskQuestion, show_masks
    from genomask.experiments.output_files import require_writable, writing
    from genomask.masking.names import read_list
    from genomask.report.mask_picture import mask_picture
    from genomask.report.mask_rows import tally_frame
    from genomask.report.mask_text import mask_text
    from genomask.report.style import require_picture_name
    from genomask.report.tables import rich_table

    question = MaskQuestion(
        sequence=sequence, strategies=read_list(masking), k=k, rate=rate, match=match, npmi=npmi,
        genome=tuple(genome), ambiguous=ambiguous, seed=seed,
    )  # fmt: skip
    require_writable(out, "--out", question.files)
    require_picture_name(out)
    shown = show_masks(question)
    terminal = console()
    terminal.print(mask_text(shown, terminal.width))
    terminal.print(rich_table(tally_frame(shown), caption=f"mean: over {MANY_MASKS:,} masks; the first one is shown"))
    with writing(out, "--out"):
        mask_picture(shown, out)
    print(f"picture: {out}")


@app.command()
def export(
    model: Annotated[Path, typer.Option(help="Folder of a model: ours, MosaicBERT's or BERT's.")],
    to: Annotated[str, typer.Option(help="Names to write: mosaicbert (also DNABERT-2's) or bert.")],
    out: Annotated[Path, typer.Option(help="New folder for config.json, model.safetensors and the tokenizer.")],
) -> None:
    """Write a model under the names other tools know, every weight bit by bit."""
    from genomask.experiments.export import export as run

    print(run(model, to, out))


@app.command()
def doctor() -> None:
    """Say what is installed, which attention backend would run and why, and how fast this machine trains."""
    from genomask.experiments.doctor import examine, findings_frame
    from genomask.report.tables import rich_table

    console().print(rich_table(findings_frame(examine())))


def _show(outcome: "Outcome", page: Path) -> None:
    from genomask.fewshot.summary import captions
    from genomask.report.tables import fewshot_table, verdict_table

    method, control = outcome.comparison.primary_method, outcome.comparison.control
    console().print(fewshot_table(outcome.summary, "\n".join(captions(outcome.summary))))
    console().print(verdict_table(outcome.verdict(method), outcome.arm_means(method), control))
    print(f"report: {page}")


def _recipe(kind: str, name: str, changes: list[str]) -> Any:
    from genomask.experiments.pretrain import default_recipe
    from genomask.recipe import load_recipe

    if not name:
        name = default_recipe(kind)
        print(f"recipe {name}: the default {'with' if name.endswith('base') else 'without'} a GPU", flush=True)
    recipe = load_recipe(name, changes)
    if recipe.kind != kind:
        raise SettingsError(f"recipe {name} is for {recipe.kind}; this command needs one for {kind}.")
    return recipe


def _changes(asked: dict[str, str]) -> list[str]:
    return [f"{key}={value}" for key, value in asked.items() if value]


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _numbers(text: str, option: str) -> tuple[int, ...]:
    words = _words(text)
    if not words or not all(word.isdigit() for word in words):
        raise SettingsError(f"{option} takes whole numbers separated by commas, such as 10,50,100; got {text!r}.")
    return tuple(map(int, words))
