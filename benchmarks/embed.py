"""How much of the forward pass's speed does `genomask embed` keep, which also reads, tokenises, pools and writes?

The peer is the encoder alone: the same packed batches, made beforehand, through the same forward pass, in turns in
one process. Reading the model, which takes the same time for any file, is a separate side and is subtracted. Weights
are random and bases equally likely; neither affects the time.

    python benchmarks/embed.py
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from machine import Out, describe_machine, run_script, save
from turns import NOISY, Turn, median_ratio, spread, take_turns

from genomask.commands.embed import TOKENS, embed
from genomask.data.opening import dna_tokenizer
from genomask.data.sequences import SequenceFile
from genomask.encoders import MosaicBertForMaskedLM
from genomask.inference.forward import batches, forward
from genomask.inference.models import Loaded, load
from genomask.inference.pooling import POOLINGS
from genomask.inference.stream import chunks
from genomask.inference.tokens import tokenise
from genomask.machine.process import keep_freed_memory
from genomask.recipe import load_recipe

RESULT = Path(__file__).parent / "results" / "embed.json"
CPU = torch.device("cpu")
SHAPES = {"2 x 128": (), "4 x 256": ("encoder.num_hidden_layers=4", "encoder.hidden_size=256")}
"""The smallest encoder, genome-tiny's, and a larger one: layers x width -> changes to the recipe."""
LENGTHS = 70, 500
"""Bases per sequence."""
GOAL = 0.9


def main(
    bases: Annotated[int, typer.Option(help="Bases in each file.")] = 40_000,
    rounds: Annotated[int, typer.Option(min=2, help="Rounds of turns, after one that is not counted.")] = 5,
    threads: Annotated[int, typer.Option(help="CPU threads.")] = 1,
    out: Out = RESULT,
) -> None:
    """Run all shapes and lengths, print a table and write the JSON."""
    torch.set_num_threads(threads)
    keep_freed_memory()  # as the command line does
    machine = describe_machine(CPU)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="genomask-embed-") as folder:
        for shape, changes in SHAPES.items():
            model = Path(folder, shape.replace(" ", ""))
            write_model(model, changes)
            for length in LENGTHS:
                sequences = Path(folder, f"{length}.fa")
                write_sequences(sequences, bases // length, length)
                took = take_turns(build_sides(model, sequences, Path(folder, "vectors.npy")), rounds, CPU)
                rows += summary(took, {"encoder": shape, "sequences": bases // length, "bases": length})
    setup = {"bases": bases, "rounds": rounds}
    result = {"benchmark": "embed", "machine": machine, "setup": setup, "rows": rows, "verdict": verdict(rows)}
    save(out, result)
    print(*rows, *verdict(rows), sep="\n")


def write_model(folder: Path, changes: tuple[str, ...]) -> None:
    """An untrained genome-tiny encoder with these changes, and its tokenizer."""
    recipe = load_recipe("genome-tiny", changes)
    tokenizer = dna_tokenizer(recipe.tokens)
    torch.manual_seed(0)
    MosaicBertForMaskedLM(recipe.encoder.config(len(tokenizer))).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def write_sequences(path: Path, n: int, length: int) -> None:
    """FASTA of `n` sequences, one line each."""
    letters = np.frombuffer(b"ACGT", dtype=np.uint8)[np.random.default_rng(0).integers(4, size=(n, length))]
    path.write_text("".join(f">{at}\n{row.tobytes().decode()}\n" for at, row in enumerate(letters)))


def build_sides(model: Path, sequences: Path, out: Path) -> dict[str, Callable[[int], object]]:
    """The forward pass alone, reading the model alone, and the command with each way of pooling."""
    loaded, asked = load(model), SequenceFile(path=sequences)
    packed = list(packed_batches(loaded, asked))

    @torch.inference_mode()
    def forward_alone(_: int) -> None:
        for batch in packed:
            forward(loaded.model, batch)

    poolings = {pooling: lambda _, p=pooling: embed(model, asked, p, out) for pooling in (*POOLINGS, TOKENS)}
    return {"forward pass": forward_alone, "reading the model": lambda _: load(model), **poolings}


def packed_batches(loaded: Loaded, asked: SequenceFile) -> list:
    """The batches that the command puts through the encoder."""
    made = []
    for chunk in chunks(asked.read()):
        tokens = tokenise(loaded.tokenizer, [sequence.bases for sequence in chunk], str(asked.path)).tokens
        made += [batch for _, batch in batches(loaded.model, tokens)]
    return made


def summary(took: dict[str, list[Turn]], file: dict[str, Any]) -> list[dict[str, Any]]:
    """A row for each pooling: the fraction of the forward pass's speed that is left, by both clocks."""
    alone, reading = took.pop("forward pass"), took.pop("reading the model")
    rows = []
    for pooling, turns in took.items():
        row = file | {"pooling": pooling}
        for clock in ("wall_s", "cpu_s"):
            ours = [getattr(turn, clock) - getattr(read, clock) for turn, read in zip(turns, reading, strict=True)]
            theirs = [getattr(turn, clock) for turn in alone]
            row |= {clock: float(np.median(ours)), f"{clock[:-2]}_ratio": median_ratio(theirs, ours)}
        rows.append(row | {"wall_spread": spread([turn.wall_s for turn in turns], [1.0] * len(turns))})
    return rows


def verdict(rows: list[dict[str, Any]]) -> list[str]:
    """By the wall clock, or by CPU seconds where it was disturbed."""
    said = []
    for row in rows:
        noisy = row["wall_spread"] > NOISY
        ratio = row["cpu_ratio"] if noisy else row["wall_ratio"]
        clock = f"CPU seconds, for a wall clock spread above {NOISY:.0%}" if noisy else "wall clock"
        ending = "reached" if ratio >= GOAL else "not reached"
        where = f"{row['encoder']}, {row['bases']} bases, {row['pooling']}"
        said.append(f"{where}: {ratio:.1%} of the forward pass's own speed ({clock}; goal {GOAL:.0%}: {ending})")
    return said


if __name__ == "__main__":
    run_script(main)
