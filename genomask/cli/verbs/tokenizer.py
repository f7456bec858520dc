"""The verb `tokenizer`: learn the words in which a genome is read."""

from pathlib import Path
from typing import Annotated

import typer

from genomask.cli.options import GENOME_HELP, Ambiguous, Seed, folder
from genomask.files.genomes import input_genome
from genomask.terminal.console import say

LEAST_TOKENS, MOST_TOKENS = 10, 2**16

tokenizer = typer.Typer(no_args_is_help=True, help="Make your own DNA tokenizer for pretraining.")


@tokenizer.callback()
def group() -> None:
    """Keeps `train` a subcommand, although it is the only one."""


@tokenizer.command()
def train(
    genome: Annotated[
        list[Path],
        typer.Argument(parser=input_genome, metavar="GENOME...", help=f"{GENOME_HELP}."),
    ],
    out: Annotated[Path, folder("New folder for the tokenizer.")],
    vocab_size: Annotated[
        int,
        typer.Option(min=LEAST_TOKENS, max=MOST_TOKENS, help="Tokens to learn, special ones included: 10 to 65,536."),
    ] = 4096,
    ambiguous: Ambiguous = "error",
    seed: Seed = 0,
) -> None:
    """Learn words of unequal length from a genome by byte-pair encoding (BPE)."""
    from genomask.commands.tokenizer import train_tokenizer

    say(train_tokenizer(genome, vocab_size, out, ambiguous=ambiguous, seed=seed))
