"""An NPMI table in; frames of its words for the terminal, and a text file of all of them, out."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from genomask.errors import SettingsError
from genomask.files.atomic import atomic_file
from genomask.masking.npmi import NpmiTable
from genomask.masking.npmi.segmentation import words

BEST_SHOWN = 3


def word_frame(table: NpmiTable, n: int) -> pd.DataFrame:
    """Every n-gram in ACGT order: ngram, count, naive_pmi, pmi, npmi (nats) and its rank among those of its length.

    A rank is 1 + how many score higher; so words too rare to score, all at -inf, share the last one.
    """
    npmi = table.npmi(n)
    return pd.DataFrame({
        "ngram": words(n),
        "count": table.counts(n),
        "naive_pmi": table.naive_pmi(n),
        "pmi": table.pmi(n),
        "npmi": npmi,
        "rank": pd.Series(npmi).rank(method="min", ascending=False).astype(np.int64),
    })  # fmt: skip


def write_tsv(table: NpmiTable, lengths: Iterable[int], path: Path) -> None:
    """The frames of these lengths, one below the other, as tab-separated text; whole or not at all."""
    with atomic_file(path) as file:
        for nth, n in enumerate(lengths):
            frame = word_frame(table, n)
            frame.to_csv(file, sep="\t", index=False, header=nth == 0, float_format="%.9g", na_rep="nan")


def is_tsv(path: Path) -> bool:
    """Whether a file begins as `write_tsv` begins one."""
    with path.open("rb") as file:
        return file.readline(20).startswith(b"ngram\tcount\t")


def lengths_frame(table: NpmiTable) -> pd.DataFrame:
    """One row per length: how many words there are, how many are scored, how much is too rare, and the best words."""
    return pd.DataFrame([_length_row(table, n) for n in range(2, table.max_n + 1)])


def _length_row(table: NpmiTable, n: int) -> dict[str, object]:
    npmi = table.npmi(n)
    best = np.argsort(-npmi, kind="stable")[: min(BEST_SHOWN, np.isfinite(npmi).sum())]
    shown = [f"{word} {score:.2f}" for word, score in zip(words(n)[best], npmi[best], strict=True)]
    return {
        "n": n,
        "words": f"{4**n:,}",
        "seen": f"{np.count_nonzero(table.counts(n)):,}",
        "scored": f"{np.isfinite(npmi).sum():,}",
        "too rare, % of places": f"{100 * table.fraction_below_min_count(n):.1f}",
        "best words and their NPMI": ", ".join(shown),
    }


def best_frame(table: NpmiTable, n: int, top: int) -> pd.DataFrame:
    """The `top` best n-grams, rounded for a person. Raises SettingsError where no word of that length is scored."""
    frame = word_frame(table, n)
    frame = frame[np.isfinite(frame["npmi"])].sort_values("rank", kind="stable").head(top)
    if frame.empty:
        raise SettingsError(
            f"no {n}-gram of this table is counted {table.min_count} times, so none has a score; "
            f"{'ask for a shorter --n, or ' if n > 2 else ''}count again with a lower --min-count."
        )
    scores = {name: frame[name].map("{:.3f}".format) for name in ("naive_pmi", "pmi", "npmi")}
    return frame.assign(count=frame["count"].map("{:,}".format), **scores)


def origin(table: NpmiTable) -> str:
    """What was counted and how it was scored, in a few lines."""
    counted = f"{int(table.counts(1).sum()) // (2 if table.strand == 'both' else 1):,} bases"
    regions = f", only {table.regions}" if table.regions else ""
    return (
        f"genome {table.genome or 'unknown'}{regions}; {counted}, strand: {table.strand}\n"
        f"definition: {table.definition}; words counted fewer than {table.min_count} times have no NPMI"
    )
