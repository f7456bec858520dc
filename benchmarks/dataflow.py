"""From raw input to masked microbatches, per core: ours beside DNABERT's way and Hugging Face's, in turns.

All sides get the same genome or the same C4 shard and make batches of genome-base and c4-base, in one thread, timed in
CPU seconds. Theirs are textbook loops: DNABERT's writes words, looks each up, pads, and masks token by token; Hugging
Face's reads JSON lines, calls the tokenizer, and DataCollatorForLanguageModeling pads and masks. Only real tokens
count. The last column is how many H100s, each training on 540,000 tokens a second, one core can feed. Text is then
timed again, by the clock, as in a run: a thread that reads and `training.workers` threads that make batches.

    python benchmarks/dataflow.py --genome GENOME.fa --corpus SHARD.json.gz --vocabulary vocab.txt
"""

import gzip
import itertools
import json
import os
import random
import statistics
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import typer
from machine import Out, describe_machine, run_script, save
from masking import textbook_collator
from tables import table
from transformers import DataCollatorForLanguageModeling, PreTrainedTokenizerBase
from turns import median_ratio, take_turns

from genomask.data.corpus_formats import Shard
from genomask.data.opening import Inputs
from genomask.data.sources import GenomeSource, Source
from genomask.data.streamed import StreamedText
from genomask.data.windows import read_window
from genomask.machine.process import keep_freed_memory
from genomask.masking import build_plan
from genomask.recipe import Recipe, load_recipe
from genomask.training.batches import Batches
from genomask.training.microbatch import MOST

RESULT = Path(__file__).parent / "results" / "dataflow.json"
CPU = torch.device("cpu")
OURS, DNABERT, HUGGING_FACE = "genomask", "DNABERT's way", "Hugging Face's way"
H100 = 540_000
"""Tokens a second that one H100 trains on."""
GOALS = {"genome": 15e6, "text": 0.5e6}
STEPS = 6
"""Steps of a run in one turn by the clock."""
AT_ONCE = 64
"""Sequences in one batch of the other sides."""

Side = Callable[[int], int]
"""Makes the batches of a round, given its number; returns the number of real tokens."""


def main(
    genome: Annotated[Path, typer.Option(help="FASTA.")],
    corpus: Annotated[Path, typer.Option(help="A shard of C4, gzip.")],
    vocabulary: Annotated[Path, typer.Option(help="BERT's vocab.txt.")],
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of turns.")] = 5,
    sequences: Annotated[int, typer.Option(help="Sequences per turn of ours; theirs take an eighth.")] = 1024,
    out: Out = RESULT,
) -> None:
    """Time every side on both inputs."""
    torch.set_num_threads(1)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    keep_freed_memory()  # as the command line does
    setup = {"rounds": rounds, "sequences": sequences, "genome": genome.name, "corpus": corpus.name}
    result = {"benchmark": "dataflow", "machine": describe_machine(CPU), "setup": setup, "rows": []}
    for what, sides in (("genome", of_genome(genome, sequences)), ("text", of_text(corpus, vocabulary, sequences))):
        result["rows"] += rows(what, sides, rounds)
    result["rows"] += by_workers(corpus, vocabulary, sequences, rounds)
    result["verdict"] = verdict(result["rows"])
    print(table(result["rows"]), *result["verdict"], sep="\n")
    save(out, result)


def of_genome(genome: Path, sequences: int) -> dict[str, Side]:
    """The sides that read windows of a FASTA file."""
    recipe = load_recipe("genome-base", [])
    source = recipe.open_source(Inputs(genome=(str(genome),)), Path())
    assert isinstance(source, GenomeSource)
    ours = batches(source, recipe, "contiguous", sequences)
    return {OURS: lambda n: made(ours, n), DNABERT: lambda n: by_words(source, n, sequences // 8)}


def of_text(corpus: Path, vocabulary: Path, sequences: int) -> dict[str, Side]:
    """The sides that read documents of a shard; each round of ours continues where the last one ended."""
    ours, recipe = stream_of(corpus, vocabulary, sequences)
    collate = DataCollatorForLanguageModeling(opened_tokenizer(vocabulary), mlm_probability=recipe.masking.mask_rate)
    texts = documents_again_and_again(corpus)
    numbers = itertools.count()
    return {
        OURS: lambda _: made(ours, next(numbers)),
        HUGGING_FACE: lambda _: by_collator(texts, collate, recipe.documents.max_tokens, sequences // 8),
    }


def stream_of(corpus: Path, vocabulary: Path, sequences: int) -> tuple[Batches, Recipe]:
    """Batches of a streamed shard, and their recipe."""
    recipe = load_recipe("c4-base", [f"tokens.vocabulary={vocabulary}", "documents.validation_documents=64"])
    shard = Shard(corpus.name, lambda: corpus.open("rb"))
    source = StreamedText(corpus.name, {"train": [shard]}, opened_tokenizer(vocabulary), recipe.documents)
    return batches(source, recipe, "uniform", sequences), recipe


def by_workers(corpus: Path, vocabulary: Path, sequences: int, rounds: int) -> list[dict]:
    """Tokens of text a second, by both clocks, with one worker and with two, in turns of a few steps of a run."""
    tokens: dict[str, list[int]] = {"1": [], "2": []}

    def turn(workers: str) -> Callable[[int], None]:
        how = replace(stream_of(corpus, vocabulary, sequences)[0], workers=int(workers))
        steps = itertools.count(0, STEPS)

        def some(_: int) -> None:
            first = next(steps)
            made = how.stream(first, first + STEPS, lambda: None)
            tokens[workers].append(sum(len(batch.input_ids) for step in made for batch in step.microbatches))

        return some

    turns = take_turns({workers: turn(workers) for workers in tokens}, rounds, CPU)
    found = []
    for workers, counts in tokens.items():
        pairs = [*zip(turns[workers], counts[1:], strict=True)]
        wall, cpu = (statistics.median(n / turn[clock] for turn, n in pairs) / 1e6 for clock in (0, 1))
        side = {"input": "text", "side": f"{OURS}, training.workers {workers}"}
        had = statistics.median(turn.cpu_s / turn.wall_s for turn, _ in pairs)
        found.append({**side, "million_tokens_per_cpu_s": cpu, "million_tokens_per_s": wall, "cores_had": had})
    return found


def opened_tokenizer(vocabulary: Path) -> PreTrainedTokenizerBase:
    """BERT's tokenizer, a new one for each side."""
    from genomask.data.tokenizers.wordpiece import wordpiece_tokenizer

    return wordpiece_tokenizer(vocabulary)


def batches(source: Source, recipe: Recipe, strategy: str, sequences: int) -> Batches:
    """Batches of that many sequences, as training makes them."""
    masking, training = recipe.masking, recipe.training
    plan = build_plan(strategy, steps=1, tokens=source.token_bases, mask_rate=masking.mask_rate)
    return Batches(source, plan, masking.corruption, 0, sequences, training.tokens_per_microbatch or MOST)


def made(how: Batches, number: int) -> int:
    """Number of tokens in one of our steps."""
    return sum(len(batch.input_ids) for batch in how.of(number).microbatches)


def by_words(source: GenomeSource, number: int, count: int) -> int:
    """DNABERT's way: words between spaces, looked up one by one, padded, masked token by token."""
    k, known = source.token_bases.k, source.tokenizer.get_vocab()
    starts, lengths, _, _ = source.windows.train(number * count, count)
    n_tokens, rng = 0, random.Random(number)
    lines = []
    for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
        letters = "".join("ACGTN"[code] for code in read_window(source.genome, start, length, reverse=False))
        lines.append(" ".join(letters[i : i + k] for i in range(len(letters) - k + 1)))
    for at in range(0, count, AT_ONCE):
        rows = [[known.get(word, 1) for word in ("[CLS]", *line.split(), "[SEP]")] for line in lines[at : at + AT_ONCE]]
        pairs = [textbook_collator(row, k, len(known), rng) for row in rows]
        for part, fill in ((0, 0), (1, -100)):
            torch.nn.utils.rnn.pad_sequence([torch.tensor(pair[part]) for pair in pairs], True, fill)
        n_tokens += sum(map(len, rows))
    return n_tokens


def documents_again_and_again(corpus: Path) -> Iterator[str]:
    """The texts of a shard, without end."""
    while True:
        with gzip.open(corpus, "rt", encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)["text"]


def by_collator(texts: Iterator[str], collate: DataCollatorForLanguageModeling, longest: int, count: int) -> int:
    """Hugging Face's way: whole texts go to the tokenizer, its lists to the collator."""
    n_tokens = 0
    for _ in range(0, count, AT_ONCE):
        some = list(itertools.islice(texts, AT_ONCE))
        encoded = collate.tokenizer(some, truncation=True, max_length=longest, return_special_tokens_mask=True)
        collate([{name: encoded[name][i] for name in encoded} for i in range(len(some))])
        n_tokens += sum(map(len, encoded["input_ids"]))
    return n_tokens


def rows(what: str, sides: dict[str, Side], rounds: int) -> list[dict]:
    """Median tokens per CPU second for each side, and how many times as many ours makes."""
    tokens: dict[str, list[int]] = {name: [] for name in sides}

    def step(name: str) -> Callable[[int], None]:
        return lambda n: tokens[name].append(sides[name](n))

    turns = take_turns({name: step(name) for name in sides}, rounds, CPU)
    each = {
        name: [turn.cpu_s / n for turn, n in zip(turns[name], tokens[name][1:], strict=True)] for name in sides
    }  # the first is not counted
    return [
        {
            "input": what,
            "side": name,
            "million_tokens_per_cpu_s": 1e-6 / statistics.median(taken),
            "times_faster_is_genomask": None if name == OURS else median_ratio(taken, each[OURS]),
            "goal": GOALS[what] / 1e6 if name == OURS else None,
            "h100s_fed_by_a_core": 1 / statistics.median(taken) / H100,
        }
        for name, taken in each.items()
    ]


def verdict(found: list[dict]) -> list[str]:
    """What one core of ours feeds, with the goal, and what a second worker adds."""
    clock = (
        f"{x['million_tokens_per_s']:.2f} with {x['cores_had']:.2f} cores at work" for x in found if "cores_had" in x
    )
    return [
        f"{row['input']}: one core makes {row['million_tokens_per_cpu_s']:.2f} million tokens/s (goal {row['goal']:g}) "
        f"and feeds {row['h100s_fed_by_a_core']:.1f} H100s of {H100:,} tokens/s"
        for row in found
        if row["side"] == OURS
    ] + [f"text, million tokens/s by the clock: one worker {', two '.join(clock)}"]


if __name__ == "__main__":
    run_script(main)
