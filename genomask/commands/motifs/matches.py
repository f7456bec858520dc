"""Which words match which motifs: a file of JASPAR matrices in, the score of every word of n bases against each out.

Letters: L columns of a matrix. Arrays of 4 and of 4**n are in ACGT lexicographic order; scores are in nats.
Sources: JASPAR (Sandelin et al., NAR 2004) for the format; log-odds against a background (Stormo, Bioinformatics 2000)
with a pseudocount of 0.8 a column (Nishida et al., NAR 2009).
"""

import functools
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from genomask.data.lines import numbered_lines
from genomask.errors import DataError
from genomask.hashing import Purpose, hash64
from genomask.masking.npmi import reverse_complemented
from genomask.masking.npmi.file import is_table

PSEUDOCOUNT = 0.8
DEALS = 20
"""Most shuffles of a motif's columns until they differ."""
ROUNDING = 1e-9
"""Scores closer than this are the same sum, added up in another order."""


class Motif(NamedTuple):
    """A counted motif."""

    id: str
    name: str
    counts: np.ndarray  # (L, 4) sites with each base


def read_jaspar(path: Path) -> list[Motif]:
    """All motifs of a file in JASPAR format, plain or gzip: a line `>id name`, then the counts of A, C, G and T.

    Raises DataError, with the line, for anything else.
    """
    if os.path.isfile(path) and is_table(path):
        raise DataError(f"{path}: this is an NPMI table; give a file of motif matrices in JASPAR format.")
    motifs = [_motif(path, number, lines) for number, lines in _records(path)]
    if not motifs:
        raise DataError(f"{path}: no motif found. Give JASPAR format: a line `>id name`, then four lines of counts.")
    return motifs


def permuted(motifs: Sequence[Motif], number: int) -> list[Motif]:
    """The same motifs with the columns of each in another order, which differs from `number` to `number`.

    A motif that comes out as itself or its reverse complement is shuffled again, up to DEALS times in all.
    """
    key, column, dealt = np.array([number]), 0, []
    for motif in motifs:
        for _ in range(DEALS):
            places = column + np.arange(len(motif.counts))
            counts = motif.counts[np.argsort(hash64(key, Purpose.COLUMN, places))]
            column += len(counts)
            if not any(np.array_equal(counts, same) for same in (motif.counts, motif.counts[::-1, ::-1])):
                break
        dealt.append(motif._replace(counts=counts))
    return dealt


def log_odds(motif: Motif, background: np.ndarray) -> np.ndarray:
    """(L, 4): ln of each base's fraction in each column over its fraction of the background (4,)."""
    pseudocounts = PSEUDOCOUNT * background
    fractions = (motif.counts + pseudocounts) / (motif.counts.sum(1, keepdims=True) + PSEUDOCOUNT)
    odds: np.ndarray = np.log(fractions / background)
    return odds


def best_scores(weights: np.ndarray, n: int) -> np.ndarray:
    """(4**n,) best score of each word over all placements and both strands, of log-odds (L, 4).

    A placement puts the word within the matrix, or a shorter matrix within the word.
    """
    best = np.full(4**n, -np.inf)
    for start in range(abs(len(weights) - n) + 1):
        placed = np.zeros((n, 4))
        if len(weights) >= n:
            placed[:] = weights[start : start + n]
        else:
            placed[start : start + len(weights)] = weights
        np.maximum(best, _sums(placed), out=best)
    np.maximum(best, reverse_complemented(best), out=best)
    return best


def best_fraction(scores: np.ndarray, fraction: float) -> tuple[np.ndarray, np.ndarray]:
    """Indices of at most the best `fraction` of scores, and for each the fraction of scores at least as high.

    Equal scores match together or not at all; the best match even if they exceed the fraction.
    """
    most = max(1, round(fraction * len(scores)))
    last = np.partition(scores, -most)[-most]
    matches = np.flatnonzero(scores > last - ROUNDING)
    if len(matches) > most and scores.max() > last + ROUNDING:
        matches = np.flatnonzero(scores > last + ROUNDING)
    ascending = np.sort(scores[matches])
    rank = len(matches) - np.searchsorted(ascending, scores[matches] - ROUNDING)
    return matches, rank / len(scores)


def _sums(placed: np.ndarray) -> np.ndarray:
    """(4**n,) sum over the letters of every word, of weights (n, 4); two halves, so that the inner loop is long."""
    halves = np.split(placed, [len(placed) // 2])
    left, right = (functools.reduce(np.add.outer, half, np.zeros(1)).ravel() for half in halves)
    return np.add.outer(left, right).ravel()


def _records(path: Path) -> list[tuple[int, list[str]]]:
    """The lines of each motif, from one `>` to the next, with the number of the first; empty lines are left out."""
    records: list[tuple[int, list[str]]] = []
    for number, line in numbered_lines(path):
        if line.startswith(">") or (line.strip() and not records):
            records.append((number, []))
        if line.strip():
            records[-1][1].append(line)
    return records


def _motif(path: Path, number: int, lines: list[str]) -> Motif:
    from Bio import motifs  # only here: nothing else needs Bio.motifs

    where = f"{path}, line {number}"
    if not lines[0].startswith(">") or len(lines) != 5:
        raise DataError(f"{where}: not a motif in JASPAR format: a line `>id name`, then four lines of counts.")
    try:
        (motif,) = motifs.parse(io.StringIO("\n".join(lines)), "jaspar")
        counts = np.array([motif.counts[base] for base in "ACGT"]).T
    except Exception as error:  # Bio.motifs raises no narrower one for rows of unequal length
        raise DataError(
            f"{where}: the counts of this motif cannot be read: four rows of equal length are needed. "
            "Fix it, or download the file again."
        ) from error
    if counts.size == 0 or not (counts >= 0).all() or not 1.5 < counts.sum(1).max() < np.inf:
        raise DataError(
            f"{where}: this matrix does not hold counts of sites. Give JASPAR's counts (PFM), not fractions."
        )
    return Motif(motif.matrix_id, motif.name, counts)
