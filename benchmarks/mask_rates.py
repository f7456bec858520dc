"""What every strategy really masks and hides, at every length: prints the tables and writes JSON.

Each cell is the mean over sequences of independent, equally likely bases; in the last column, over genome windows.
`match=tokens` must give the asked fraction of tokens; `match=none` shows what the published probabilities give.
Strategies whose rate is solved on windows are measured on other windows, cut to each length.

    python benchmarks/mask_rates.py human/*.fa.gz
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, NamedTuple

import torch
import typer
from machine import Out, describe_machine, run_script, save
from rich.console import Console
from rich.table import Table
from torch import Tensor

from genomask.data.genome import Genome
from genomask.data.sources import GenomeSource
from genomask.data.tokenizers.kmer import KmerTokenizer
from genomask.data.windows import WindowSettings
from genomask.errors import SettingsError
from genomask.hashing import below, hash64
from genomask.masking import STRATEGIES, NpmiTable, Strategy, build_strategy
from genomask.masking.accounting import hidden_bases
from genomask.types import TokenBases

RESULT = Path(__file__).parent / "results" / "mask_rates.json"
LENGTHS = (20, 32, 64, 128, 256, 510)
AT_ONCE = 2_000
MOST_PIECES = 8
"""At most this many sequences are cut from a window."""
OTHERS = 10
"""Tables that do not test the calibration use one in this many sequences."""
WINDOWS = 2_000
"""Windows that npmi-global's rate is solved on; it is measured on later ones."""


class Sequences(NamedTuple):
    """Sequences of equal length: keys (n,) and input_ids (n, tokens)."""

    keys: Tensor
    input_ids: Tensor


class Cell(NamedTuple):
    """Means over n sequences and their standard errors."""

    n: int
    tokens_masked: float
    tokens_masked_error: float
    bases_hidden: float
    bases_hidden_error: float


def names() -> list[str]:
    """All DNA strategies, and genemask with shuffled scores."""
    return [*sorted(name for name, spec in STRATEGIES.items() if spec.units != "text"), "genemask:npmi=shuffled"]


def even_bases(tokens: TokenBases, n_bases: int, n: int, salt: int) -> Iterator[Sequences]:
    """n sequences of n_bases independent, equally likely bases, in parts; another salt gives others."""
    powers = 4 ** torch.arange(tokens.k - 1, -1, -1)
    for first in range(0, n, AT_ONCE):
        keys = hash64(torch.arange(first, min(n, first + AT_ONCE)), 910 + salt, torch.tensor(n_bases))
        codes = below(hash64(keys[:, None], 902, torch.arange(n_bases)), 4)
        yield Sequences(keys, tokens.kmer_ids[(codes.unfold(1, tokens.k, tokens.stride) * powers).sum(2)])


def windows_of(source: GenomeSource, n_bases: int, n: int) -> Iterator[Sequences]:
    """Pieces of n_bases bases from n genome windows, none of which rates are solved on."""
    n_tokens = n_bases - source.token_bases.k + 1
    pieces = min(MOST_PIECES, source.windows.settings.max_tokens // n_tokens)
    for first in range(WINDOWS, WINDOWS + n, AT_ONCE):
        packed = source.train(first, min(AT_ONCE, WINDOWS + n - first))
        ids = packed.input_ids.view(len(packed.lengths), -1)[:, 1 : 1 + pieces * n_tokens].reshape(-1, n_tokens)
        yield Sequences(hash64(torch.arange(len(ids)), 903, torch.tensor(first)), ids)


def measure(strategy: Strategy, tokens: TokenBases, parts: Iterator[Sequences]) -> Cell:
    """The fractions masked and hidden: their means over sequences, with standard errors."""
    fractions = []
    for keys, input_ids in parts:
        n, n_tokens = input_ids.shape
        ids, cu_seqlens = input_ids.flatten(), torch.arange(n + 1) * n_tokens
        spans = strategy.select(ids, cu_seqlens, keys)
        hidden = hidden_bases(ids, spans, cu_seqlens, tokens)
        fractions.append(torch.stack([x.view(n, -1).double().mean(1) for x in (spans > 0, hidden)]))
    both = torch.cat(fractions, 1)
    mean, error = both.mean(1), both.std(1) / both.shape[1] ** 0.5
    return Cell(both.shape[1], float(mean[0]), float(error[0]), float(mean[1]), float(error[1]))


def rows_of(name: str, match: str, npmi: NpmiTable, source: GenomeSource, rate: float, n: int) -> Iterator[dict]:
    """A row for each length and kind of sequence, or one that says why there is none."""
    tokens = source.token_bases
    sample = source.train(0, WINDOWS)
    try:
        strategy = build_strategy(
            name, tokens=tokens, mask_rate=rate, npmi=npmi, match=match, sample=(sample.input_ids, sample.cu_seqlens)
        )
    except SettingsError as refused:
        yield {"strategy": name, "match": match, "refused": str(refused)}
        return
    on_windows = "windows" in STRATEGIES[name.partition(":")[0]].needs
    for n_bases in LENGTHS:
        many = n if on_windows else max(n, n * LENGTHS[-1] // n_bases // 4)  # each short sequence shows less
        parts = windows_of(source, n_bases, n) if on_windows else even_bases(tokens, n_bases, many, names().index(name))
        cell = measure(strategy, tokens, parts)
        kind = "windows" if on_windows else "even bases"
        yield {"strategy": name, "match": match, "bases": n_bases, "sequences": kind, **cell._asdict()}
    if not on_windows:
        cell = measure(strategy, tokens, windows_of(source, LENGTHS[-1], n))
        yield {"strategy": name, "match": match, "bases": LENGTHS[-1], "sequences": "windows", **cell._asdict()}


def by_length(cells: list[dict], match: str, fraction: str) -> list[dict[str, str]]:
    """A row for each strategy, a column for each length: means in per cent with their standard errors."""
    rows = []
    for name in dict.fromkeys(cell["strategy"] for cell in cells):
        own = [cell for cell in cells if cell["strategy"] == name and cell["match"] == match]
        if "refused" in own[0]:
            rows.append({"strategy": name, f"{LENGTHS[0]} bases": "refused"})
            continue
        fractions = {
            (cell["sequences"], cell["bases"]): f"{100 * cell[fraction]:.2f} ± {100 * cell[fraction + '_error']:.2f}"
            for cell in own
        }
        kind = "even bases" if ("even bases", LENGTHS[0]) in fractions else "windows"
        rows.append(
            {"strategy": name + (" *" if kind == "windows" else "")}
            | {f"{n} bases": fractions[kind, n] for n in LENGTHS}
            | {f"windows of {LENGTHS[-1]}": fractions["windows", LENGTHS[-1]]}
        )
    return rows


def table_of(rows: list[dict[str, str]], title: str) -> Table:
    """The rows as a table for the terminal."""
    table = Table(title=title)
    columns = list(max(rows, key=len))
    for column in columns:
        table.add_column(column, justify="left" if column == "strategy" else "right")
    for row in rows:
        table.add_row(*(row.get(column, "") for column in columns))
    return table


def worst_miss(cells: list[dict], mask_rate: float) -> list[str]:
    """The largest relative miss of the asked fraction of tokens, on even bases and on windows."""
    said = []
    for kind, goal in (("even bases", 0.01), ("windows", 0.03)):
        own = [c for c in cells if c["match"] == "tokens" and c.get("sequences") == kind]
        worst = max(own, key=lambda c: abs(c["tokens_masked"] / mask_rate - 1))
        miss, error = worst["tokens_masked"] / mask_rate - 1, worst["tokens_masked_error"] / mask_rate
        said.append(
            f"{kind}: the asked fraction of tokens is missed by {miss:+.2%} of it at most (standard error {error:.2%}; "
            f"{worst['strategy']}, {worst['bases']}; goal {goal:.0%}: {'met' if abs(miss) <= goal else 'not met'})"
        )
    return said


def main(
    genome: Annotated[list[Path], typer.Argument(help="FASTA files.")],
    sequences: Annotated[int, typer.Option(help="Sequences in each mean.")] = 50_000,
    mask_rate: float = 0.15,
    k: int = 6,
    out: Out = RESULT,
) -> None:
    """Print the tables and write the JSON."""
    torch.set_num_threads(1)
    bases = Genome.open(genome)
    settings = WindowSettings(max_tokens=LENGTHS[-1], full_fraction=1.0)
    source = GenomeSource(bases, settings, KmerTokenizer(k), seed=0)
    npmi = NpmiTable.from_intervals(bases.codes, bases.runs, max_n=k)
    cells = []
    for match in ("tokens", "none", "bases"):
        for name in names():
            n = sequences if match == "tokens" else sequences // OTHERS
            cells += rows_of(name, match, npmi, source, mask_rate, n)
    console = Console(width=140)
    for match in ("tokens", "none", "bases"):
        for fraction in ("tokens_masked", "bases_hidden"):
            title = f"{fraction.replace('_', ' ')}, %: {mask_rate:.0%} asked, match={match}, k = {k}"
            console.print(table_of(by_length(cells, match, fraction), title))
    console.print("* on windows of the genome, cut to each length")
    verdict = worst_miss(cells, mask_rate)
    console.print("\n".join(verdict))
    setup = {"genome": ", ".join(path.name for path in genome), "k": k, "mask_rate": mask_rate, "sequences": sequences}
    machine = describe_machine(torch.device("cpu"))
    rows = by_length(cells, "tokens", "tokens_masked")
    result = {"machine": machine, "setup": setup, "rows": rows, "verdict": verdict, "cells": cells}
    save(out, result)


if __name__ == "__main__":
    run_script(main)
