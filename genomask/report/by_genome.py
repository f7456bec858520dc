"""What a run on several genomes has learned about each: the last evaluations in, a table and a sentence out."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from genomask.report.meaning import (
    ITEMS,
    LOSS,
    Baselines,
    gain_words,
    last_scores,
    number_of,
    still_copying,
    with_error,
)

APART = f"{LOSS}_of_"
"""Scores of one genome are named like those of the whole, suffixed with its name."""
CAPTION = (
    "Each genome on its own held-out windows, equally many of each where it is long enough; the whole on all of them. "
    "Below order-0: bits gained over the genome's own composition, ± one standard error of the last evaluation, "
    "which a single window does not have."
)


def genomes_of(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of the genomes that were scored separately; none for a single genome or text."""
    return [name.removeprefix(APART) for name in last_scores(rows).mean.index if name.startswith(APART)]


def genome_frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """One row per genome, and one for the whole; `rows` are those of metrics.jsonl."""
    mean, last, _ = last_scores(rows)
    table = []
    for name in (*genomes_of(rows), ""):
        of = f"_of_{name}" if name else ""
        row = {"genome": name or "all", "loss, nats": f"{number_of(mean, f'{LOSS}{of}'):.3f}"}
        for item, words in (("single", "one base"), ("six", "six in a row")):
            if (bits := mean.get(f"eval_bits_per_hidden_base_{item}{of}")) is None:
                continue  # tokens are not k-mers
            gain = number_of(mean, f"eval_bits_below_order_0_{item}{of}")
            error = last.get(f"eval_bits_below_order_0_{item}_standard_error{of}")
            row |= {f"bits, {words}": f"{bits:.4f}", f"below order-0, {item}": with_error(gain, error)}
        table.append(row)
    return pd.DataFrame(table)


def genome_words(rows: Sequence[Mapping[str, Any]], baselines: Baselines) -> str:
    """How well each genome is known at the last evaluation; "" where none has bits, and before the model copies."""
    last = last_scores(rows).last
    said = []
    for name in [] if still_copying(rows, baselines) else genomes_of(rows):
        gains = {item: f"eval_bits_below_order_0_{item}" for item in ITEMS}
        if any(f"{gain}_of_{name}" not in last for gain in gains.values()):
            return ""
        words = (
            f"{gain_words(last[f'{gain}_of_{name}'], last.get(f'{gain}_standard_error_of_{name}'))[1]} on {ITEMS[item]}"
            for item, gain in gains.items()
        )
        said.append(f"{name} {' and '.join(words)}")
    return f"By genome, each beside a constant guess by its own composition: {'; '.join(said)}." if said else ""
