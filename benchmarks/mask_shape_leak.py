"""What the length of a GeneMask span tells about the base under it, without any model: prints a table, writes JSON.

At random places of a genome each of the four bases is put in turn, and the probability that GeneMask, had it chosen
this place as a centre, would hide the base alone is computed. Bayes' rule gives the belief of a reader who sees a short
span and knows the flanks, the NPMI table and the composition, and nothing else. Held against bases drawn evenly from
the genome, as the fixed evaluation masks draw them, that belief costs the bits printed; composition alone costs
order-0.

    python benchmarks/mask_shape_leak.py yeast.fa.gz
"""

import json
import platform
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from scipy.stats import binom

import genomask
from genomask.data.genome import Genome
from genomask.data.tokenizers.kmer import KmerTokenizer
from genomask.files.atomic import atomic_write
from genomask.masking.centred import published_probability
from genomask.masking.npmi import NpmiTable

LEAST = 1e-4
"""Smallest probability of being hidden alone: no reader is surer than that."""


def scores_by_base(codes: np.ndarray, places: np.ndarray, k: int, npmi: np.ndarray) -> np.ndarray:
    """(places, 4) best NPMI among the k-mers that cover a place, were its base A, C, G or T."""
    around = codes[places[:, None] + np.arange(1 - k, k)].astype(np.int64)
    best = np.empty((len(places), 4))
    powers = 4 ** np.arange(k - 1, -1, -1)
    for base in range(4):
        around[:, k - 1] = base
        best[:, base] = npmi[np.lib.stride_tricks.sliding_window_view(around, k, axis=1) @ powers].max(1)
    return best


def probability_of_short(rank: np.ndarray, n_bases: int, probability: float) -> np.ndarray:
    """Probability that a centre whose score has this rank (0 to 1) is in the worse half of its window's centres."""
    centres = np.arange(1, 80)
    weights = binom.pmf(centres, n_bases, probability) * centres  # windows as seen from one of their centres
    per_number = [binom.sf(np.ceil(m / 2) - 1, m - 1, 1 - rank) for m in centres]
    return np.tensordot(weights / weights.sum(), per_number, 1)


def bits_given_short(best: np.ndarray, true: np.ndarray, n_bases: int, probability: float) -> float:
    """Mean bits that a reader of the span's length needs for the true base."""
    own = np.sort(best[np.arange(len(true)), true])
    rank = np.searchsorted(own, best, side="right") / len(own)
    composition = np.bincount(true, minlength=4) / len(true)
    belief = composition * np.maximum(probability_of_short(rank, n_bases, probability), LEAST)
    belief /= belief.sum(1, keepdims=True)
    return float(-np.log2(belief[np.arange(len(true)), true]).mean())


def main(
    fasta: Path,
    out: Annotated[Path, typer.Option(help="Where the JSON goes.")] = Path("benchmarks/results/mask_shape_leak.json"),
    mask_rate: float = 0.15,
    places: Annotated[int, typer.Option(help="Random places of the genome.")] = 40_000,
) -> None:
    """Print the table and write the JSON."""
    genome = Genome.open(fasta)
    start, stop = max(genome.runs.tolist(), key=lambda run: run[1] - run[0])
    at = np.random.default_rng(0).integers(start + 10, stop - 10, places)
    true = genome.codes[at].astype(np.int64)
    fractions = np.bincount(true, minlength=4) / len(true)
    order_0 = float(-(fractions * np.log2(fractions)).sum())
    rows = []
    for k in range(2, 7):
        npmi = NpmiTable.from_intervals(genome.codes, genome.runs, max_n=k).npmi(k)
        best = scores_by_base(genome.codes, at, k, npmi)
        probability = published_probability(mask_rate, KmerTokenizer(k).token_bases)
        for tokens in (30, 60, 128, 510):
            bits = bits_given_short(best, true, tokens + k - 1, probability)
            rows.append({"k": k, "window_tokens": tokens, "bits_given_short": bits, "order_0_bits": order_0})
            print(f"k = {k}, windows of {tokens:3d} tokens: {bits:.2f} bits, order-0 {order_0:.3f}")
    context = {"genome": fasta.name, "machine": platform.platform(), "genomask": genomask.__version__, "places": places}
    atomic_write(out, json.dumps(context | {"mask_rate": mask_rate, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
