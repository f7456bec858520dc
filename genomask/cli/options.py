"""Options that several verbs share, each with its unit and range; readers of lists and of the whole line."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from genomask.errors import SettingsError
from genomask.fewshot.methods import ASKED, USUAL
from genomask.files import inputs
from genomask.files.genomes import WeighedGenome, input_genome, is_stdin, weighed_genome
from genomask.inference.hub import found_model
from genomask.settings.ranges import LARGE, require, shown

MANY_VALUES = ("--genome", "--corpus")
"""Options that take all the values up to the next option, as a shell's *.fa.gz gives them."""
WITH_A_FILE = ("bench", "embed", "predict", "variants")
"""Verbs whose argument may follow such an option, which then takes one value."""
LOUDNESS = {"--quiet": logging.ERROR, "--verbose": logging.DEBUG}

USUAL_METHODS = ",".join(USUAL)
MOST_SEED = 2**63 - 1
MOST_DIGITS = 12
"""Of a number in a list."""

GENOME_HELP = "FASTA, GenBank or 2bit files, plain, gzip or bgzip; folders of them; - for standard input"
GenomeFiles = Annotated[
    list[Path], typer.Option(parser=input_genome, metavar="FILE", help=f"{GENOME_HELP}. Repeatable.")
]
"""For a verb in WITH_A_FILE, unlike the next."""
MixedGenomes = Annotated[
    list[WeighedGenome],
    typer.Option(
        parser=weighed_genome,
        metavar="FILE[:WEIGHT]...",
        help=f"{GENOME_HELP}. All files form one genome; with weights, such as human.fa:2 mouse.fa:1, each is its own, "
        "and windows are drawn by weight.",
    ),
]
ModelFolder = Annotated[
    Path,
    typer.Option(
        parser=found_model,
        metavar="MODEL",
        help="Folder of a model or run, or owner/name on the Hugging Face hub.",
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print what it would take (time, memory, disk, tokens) and exit.")
]
RecipeName = Annotated[
    str,
    typer.Option(
        help="Recipe name or TOML file. Default: genome-fast or c4-fast; with a GPU, genome-base or c4-base.",
        metavar="RECIPE",
    ),
]
GenomeRecipeName = Annotated[
    str,
    typer.Option(
        help="Recipe name or TOML file. Default: genome-fast; with a GPU, genome-base.",
        metavar="RECIPE",
    ),
]
Changes = Annotated[
    list[str],
    typer.Option("--set", metavar="KEY=VALUE", help="Change one setting, such as training.steps=60. Repeatable."),
]
Train = Annotated[
    Path,
    typer.Option(
        parser=inputs.input_file,
        metavar="TABLE",
        help="TSV or CSV with columns sequence and label: the pool that shots are drawn from.",
    ),
]
Test = Annotated[
    Path,
    typer.Option(
        parser=inputs.input_file, metavar="TABLE", help="The same for the test set, which influences no choice."
    ),
]
SequenceColumn = Annotated[str, typer.Option(help="Header of the sequence column in --train and --test.")]
LabelColumn = Annotated[str, typer.Option(help="Header of the label column in --train and --test.")]
Shots = Annotated[str, typer.Option(help="Numbers of training examples of each class, separated by commas.")]
Draws = Annotated[
    int, typer.Option(min=1, max=10_000, help="Random draws of the examples at each number of shots, 1 to 10,000.")
]
Methods = Annotated[str, typer.Option(help=f"Some of {', '.join(ASKED)}, separated by commas.")]
FineTuning = Annotated[
    Literal["linear-first", "published"],
    typer.Option(
        "--schedule",
        help="How to fine-tune: the head starts at the linear solution, or at random with the published rates.",
    ),
]
SequencesFile = Annotated[
    Path,
    typer.Argument(
        parser=inputs.input_sequences,
        metavar="FILE",
        help="Genome file, FASTA:RECORD:FIRST-LAST, TSV or CSV with a column sequence, or BED with --genome; for a "
        "text model, lines of text or a table with a column text; - for standard input.",
    ),
]
RegionsOf = Annotated[
    list[Path],
    typer.Option(
        parser=input_genome, metavar="GENOME", help="The genome of the regions in FILE, a BED file. Repeatable."
    ),
]
TableColumn = Annotated[
    str,
    typer.Option(
        metavar="HEADER",
        help="Header of the sequences in a table. Default: sequence; for a text model: text, or two such as "
        "question,sentence.",
    ),
]
DnaColumn = Annotated[
    str, typer.Option(metavar="HEADER", help="Header of the sequences in a table. Default: sequence.")
]
BothStrands = Annotated[
    bool, typer.Option("--both-strands", help="Average over each sequence and its reverse complement.")
]
Seed = Annotated[int, typer.Option(min=0, max=MOST_SEED, help="Seed of all random draws, 0 to 2**63 - 1.")]
Ambiguous = Annotated[
    Literal["error", "n"],
    typer.Option(help="IUPAC letters such as R: 'error' to refuse them, or 'n' to read them as N."),
]


def folder(what: str) -> Any:
    """An option for a folder to write, which `what` describes."""
    return typer.Option(parser=inputs.output_folder, metavar="FOLDER", help=what)


def file(what: str) -> Any:
    """An option for a file to write, which `what` describes."""
    return typer.Option(parser=inputs.output_file, metavar="FILE", help=what)


def words(text: str) -> tuple[str, ...]:
    """The words between commas; empty ones are skipped."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def read_methods(text: str) -> tuple[str, ...]:
    """The methods named; SettingsError for an unknown one."""
    methods = words(text)
    inputs.require_known("method", methods, ASKED)
    if not methods:
        raise SettingsError(f"--methods is empty; give some of {', '.join(ASKED)}.")
    return methods


def read_numbers(text: str, option: str) -> tuple[int, ...]:
    """The numbers between commas; SettingsError, naming the option, for anything else."""
    numbers = words(text)
    if not numbers or not all(x.isascii() and x.isdigit() and len(x) <= MOST_DIGITS for x in numbers):
        raise SettingsError(f"{option} takes whole numbers separated by commas, such as 10,50,100; got {shown(text)}.")
    return tuple(map(int, numbers))


def require_rate(rate: float | None) -> None:
    """Raises SettingsError for a --learning-rate out of range; None asks for the default."""
    fits = rate is None or 0 < rate <= LARGE
    require(fits, "--learning-rate", f"above 0 and at most {LARGE:,.0f}", rate)


def usage_sentence(error: Any) -> str:
    """What is wrong with a command line, and which help to read."""
    said = " ".join(error.format_message().split()).rstrip(".").replace("Value error, ", "")  # choices are on lines
    verb = error.ctx.command_path if error.ctx else "genomask"
    return f"{said}{'' if said.endswith('?') else '.'} See: {verb} --help"


def repeat_options(arguments: Sequence[str]) -> list[str]:
    """`--genome a b` -> `--genome a --genome b`, and --quiet or --verbose moved to the front."""
    verb = next((argument for argument in arguments if not argument.startswith("-")), "")
    many = () if verb in WITH_A_FILE else MANY_VALUES
    first: list[str] = []
    repeated: list[str] = []
    option = ""
    for argument in arguments:
        if argument in LOUDNESS and "--" not in repeated:
            first.append(argument)
            continue
        if argument.startswith("-") and not (option and is_stdin(argument)):
            option = argument if argument in many else ""
        elif option and repeated[-1] != option:
            repeated.append(option)
        repeated.append(argument)
    return first + repeated
