"""How fast masks are made: each strategy's select and corrupt on one core, beside a textbook per-token collator.

One of the strategies is a user's own, from a file in examples/.

The textbook collator is a typical first version of a k-mer masker: Python lists, one token after the other, DNABERT's
six tokens around each centre and 80/10/10 for each. All run on the same packed ids, in turns, timed in CPU seconds. The
last column is the fraction of a training step that a strategy and the accounting of what it hides take; the step is of
the smallest recipe's encoder, on the same batch.

    python benchmarks/masking.py
"""

import random
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from machine import Out, describe_machine, run_script, save
from rich.console import Console
from rich.table import Table
from torch import Tensor
from turns import median_ratio, take_turns

from genomask.data.packing import to_batch
from genomask.data.tokenizers.kmer import KmerTokenizer
from genomask.encoders import MosaicBertForMaskedLM
from genomask.machine.process import keep_freed_memory
from genomask.masking import STRATEGIES, NpmiTable, account, build_strategy, corrupt
from genomask.recipe import load_recipe
from genomask.training.optimizer import build_optimizer
from genomask.training.step import train_step
from genomask.types import IGNORE, TokenBases

RESULT = Path(__file__).parent / "results" / "masking.json"
EXAMPLES = Path(__file__).parents[1] / "examples"
CPU = torch.device("cpu")
MASK_RATE = 0.15
OWN = "my_masks.py:cpg"
"""A user's own strategy, from examples/, compiled like the built-in ones."""
FAST = ("uniform", "contiguous", "fixed-span", "random-span", "genemask")
GOALS = {name: 30e6 for name in FAST}
GOAL_OF_OTHERS = 10e6
TEXTBOOK, ACCOUNTING = "textbook collator", "accounting"
SHAPES = {"16 x 512": (16, 512, 50), "2,000 x 512": (2_000, 512, 1)}
"""Sequences, tokens of each with [CLS] and [SEP], and how often a turn masks them: a microbatch, and a whole step."""


def main(
    k: Annotated[int, typer.Option(help="Letters of a token.")] = 6,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of turns.")] = 7,
    out: Out = RESULT,
) -> None:
    """Time every strategy for DNA on both shapes."""
    torch.set_num_threads(1)
    keep_freed_memory()  # as the command line does
    tokenizer, rng = KmerTokenizer(k=k), np.random.default_rng(0)
    codes = markov_bases(2_000_000, rng)
    table = NpmiTable.from_intervals(codes, np.array([[0, len(codes)]]), max_n=k)
    result = {"benchmark": "masking", "machine": describe_machine(CPU), "setup": {"k": k, "rounds": rounds}, "rows": []}
    for shape, (sequences, length, repeats) in SHAPES.items():
        batch = pack_windows(codes, tokenizer, sequences, length, rng)
        steps = masking_steps(tokenizer.token_bases, table, batch) | {"whole-word": whole_word_step(batch[1], batch[2])}
        repeated = {name: partial(repeat, step, repeats) for name, step in steps.items()}
        turns = take_turns(repeated, rounds, CPU)
        seconds = {name: [turn.cpu_s / repeats for turn in taken] for name, taken in turns.items()}
        step_s = seconds_of_a_training_step(batch, tokenizer) if sequences < 100 else None
        result["rows"] += [row(shape, name, seconds, sequences * length, step_s) for name in seconds]
    result["verdict"] = verdict(result["rows"])
    show(result)
    save(out, result)


def repeat(step: Callable[[int], object], repeats: int, n: int) -> None:
    """Several calls as one turn; a single short call would mostly time cold caches."""
    for i in range(repeats):
        step(n * repeats + i)


def markov_bases(n: int, rng: np.random.Generator) -> np.ndarray:
    """n bases in which each is like the one before it more often than not, so that NPMI differs between k-mers."""
    changes = np.where(rng.random(n) < 0.4, 0, rng.integers(0, 4, n))
    return (changes.cumsum() % 4).astype(np.uint8)


def pack_windows(
    codes: np.ndarray, tokenizer: KmerTokenizer, sequences: int, length: int, rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Packed ids (T,), cu_seqlens (B + 1,) and keys (B,)."""
    n_bases = length - 2 + tokenizer.k - 1
    starts = rng.integers(0, len(codes) - n_bases, sequences)
    special = tokenizer.cls_token_id, tokenizer.sep_token_id
    rows = [np.r_[special[0], tokenizer.encode_bases(codes[a : a + n_bases]), special[1]] for a in starts]
    cu_seqlens = torch.arange(sequences + 1, dtype=torch.int32) * length
    return torch.from_numpy(np.concatenate(rows)), cu_seqlens, torch.from_numpy(rng.integers(0, 2**62, sequences))


def masking_steps(
    tokens: TokenBases, table: NpmiTable, batch: tuple[Tensor, Tensor, Tensor]
) -> dict[str, Callable[[int], object]]:
    """What to time: each DNA strategy and one from a file, with new keys each round, and the textbook collator."""
    input_ids, cu_seqlens, keys = batch
    names = [name for name, spec in STRATEGIES.items() if spec.units != "text"]

    def step_of(name: str) -> Callable[[int], object]:
        asked = str(EXAMPLES / OWN) if name == OWN else name
        strategy = build_strategy(asked, tokens=tokens, mask_rate=MASK_RATE, npmi=table, sample=(input_ids, cu_seqlens))

        def step(n: int) -> object:
            spans = strategy.select(input_ids, cu_seqlens, keys + n)
            return corrupt(input_ids, spans, cu_seqlens, keys + n, tokens=tokens)

        return step

    rows = [row.tolist() for row in input_ids.split(cu_seqlens.diff().tolist())]
    spans = build_strategy("contiguous", tokens=tokens, mask_rate=MASK_RATE).select(input_ids, cu_seqlens, keys)
    return {name: step_of(name) for name in (*sorted(names), OWN)} | {
        ACCOUNTING: lambda n: account(input_ids, input_ids, spans, cu_seqlens, tokens),
        TEXTBOOK: lambda n: [textbook_collator(row, tokens.k, len(tokens.maskable), random.Random(n)) for row in rows],
    }


def whole_word_step(cu_seqlens: Tensor, keys: Tensor) -> Callable[[int], object]:
    """The text strategy, on as many tokens from a vocabulary of BERT's size in which every third continues a word."""
    ids = torch.arange(30_528)
    maskable, no_letters = ids >= 5, torch.zeros(len(ids), 0, dtype=torch.uint8)
    tokens = TokenBases(1, 1, 4, maskable, maskable.long(), no_letters, torch.zeros(0).long(), ids % 3 > 0)
    input_ids = torch.randint(5, len(ids), (int(cu_seqlens[-1]),), generator=torch.Generator().manual_seed(0))
    strategy = build_strategy("whole-word", tokens=tokens, mask_rate=MASK_RATE)

    def step(n: int) -> object:
        spans = strategy.select(input_ids, cu_seqlens, keys + n)
        return corrupt(input_ids, spans, cu_seqlens, keys + n, tokens=tokens)

    return step


def textbook_collator(row: list[int], k: int, vocabulary: int, rng: random.Random) -> tuple[list[int], list[int]]:
    """DNABERT's mask on one sequence, one token at a time."""
    masked = set()
    for centre in range(1, len(row) - 1):
        if rng.random() < MASK_RATE / k:
            first = centre - (k - 1) // 2
            masked.update(at for at in range(first, first + k) if 0 < at < len(row) - 1)
    ids, labels = [], []
    for at, token in enumerate(row):
        labels.append(token if at in masked else IGNORE)
        draw = rng.random()
        if at in masked and draw < 0.8:
            token = 4
        elif at in masked and draw < 0.9:
            token = rng.randrange(5, vocabulary)
        ids.append(token)
    return ids, labels


def seconds_of_a_training_step(batch: tuple[Tensor, Tensor, Tensor], tokenizer: KmerTokenizer) -> float:
    """Median CPU seconds of a step of genome-tiny's encoder on the batch."""
    input_ids, cu_seqlens, keys = batch
    recipe = load_recipe("genome-tiny", [])
    model = MosaicBertForMaskedLM(recipe.encoder.config(vocab_size=len(tokenizer))).train()
    optimizer = build_optimizer(model, recipe.optimizer)
    strategy = build_strategy("contiguous", tokens=tokenizer.token_bases, mask_rate=MASK_RATE)
    spans = strategy.select(input_ids, cu_seqlens, keys)
    corrupted, labels = corrupt(input_ids, spans, cu_seqlens, keys, tokens=tokenizer.token_bases)
    packed = [to_batch(corrupted, labels, cu_seqlens, torch.ones(len(keys)))]

    def step(n: int) -> object:
        return train_step(model, optimizer, packed, clip_norm=1.0, device=CPU, precision="fp32")

    return statistics.median(turn.cpu_s for turn in take_turns({"step": step}, 5, CPU)["step"])


def row(shape: str, name: str, seconds: dict[str, list[float]], n_tokens: int, step_s: float | None) -> dict:
    """The figures of one strategy on one shape."""
    taken = statistics.median(seconds[name])
    goal = None if name in (TEXTBOOK, ACCOUNTING) else GOALS.get(name, GOAL_OF_OTHERS)
    with_account = taken + statistics.median(seconds[ACCOUNTING])
    return {
        "shape": shape,
        "what": name,
        "million_tokens_per_cpu_s": n_tokens / taken / 1e6,
        "times_the_textbook": median_ratio(seconds[TEXTBOOK], seconds[name]),
        "goal": goal and goal / 1e6,
        "reached": goal and n_tokens / taken >= goal,
        "fraction_of_a_training_step": step_s and with_account / step_s,
    }


def verdict(rows: list[dict]) -> list[str]:
    """Which goals are missed, and the largest fraction of a training step that masking takes."""
    missed = [f"{row['what']} at {row['shape']}" for row in rows if row["reached"] is False]
    fractions = [
        row["fraction_of_a_training_step"] for row in rows if row["goal"] and row["fraction_of_a_training_step"]
    ]
    return [
        f"goals missed: {', '.join(missed) or 'none'}",
        f"masking and accounting take at most {max(fractions):.2%} of a training step (goal 2 %)",
    ]


def show(result: dict) -> None:
    """A table on the terminal."""
    table = Table()
    for column in result["rows"][0]:
        table.add_column(column, justify="left" if column in ("shape", "what") else "right")
    for line in result["rows"]:
        table.add_row(*("" if x is None else f"{x:,.4g}" if isinstance(x, float) else str(x) for x in line.values()))
    Console(width=160).print(table)
    print("\n".join(result["verdict"]))


if __name__ == "__main__":
    run_script(main)
