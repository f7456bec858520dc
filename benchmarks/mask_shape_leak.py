"""What the length of a span reveals about the base under it, without any model: prints a table, writes JSON.

At random places of a genome, each of the four bases is substituted in turn. For each we compute the probability that
GeneMask, had it chosen this place as a centre, would hide the base alone. Bayes' rule gives the belief of a reader who
sees a short span and knows only the flanks, the NPMI table and the composition. The bits printed are the cost of that
belief on bases drawn evenly from the genome, as the fixed evaluation masks draw them; composition alone costs order-0.

The same for tilted-span, where half of the spans are single bases: the belief of a reader who sees one and has learnt
how often each base is hidden so, under the loss as it is weighted and as it would be without weights.

    python benchmarks/mask_shape_leak.py yeast.fa.gz
"""

import platform
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from machine import Out, run_script, save
from scipy.stats import binom

import genomask
from genomask.data.genome import Genome
from genomask.data.tokenizers.kmer import KmerTokenizer
from genomask.masking.centred import published_probability
from genomask.masking.npmi import NpmiTable
from genomask.masking.strategies import tilted_span

RESULT = Path(__file__).parent / "results" / "mask_shape_leak.json"
LEAST = 1e-4
"""Smallest probability of being hidden alone; it bounds how sure a reader can be."""
BETA, SINGLE = 0.5, 0.5
"""Settings of tilted-span."""


def words_by_base(codes: np.ndarray, places: np.ndarray, k: int) -> np.ndarray:
    """(places, 4, k) the k-mers that cover a place, in order of their start, if its base were A, C, G or T."""
    around = codes[places[:, None] + np.arange(1 - k, k)].astype(np.int64)
    words = np.empty((len(places), 4, k), dtype=np.int64)
    powers = 4 ** np.arange(k - 1, -1, -1)
    for base in range(4):
        around[:, k - 1] = base
        words[:, base] = np.lib.stride_tricks.sliding_window_view(around, k, axis=1) @ powers
    return words


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
    return bits_given(np.maximum(probability_of_short(rank, n_bases, probability), LEAST), true)


def bits_given_tilted(tilts: np.ndarray, true: np.ndarray, probability: float, weighted: bool) -> float:
    """Mean bits that a reader of a single base under tilted-span needs, from the tilts (places, 4, k) of the words.

    Such a span starts at the one word whose middle the place is, and at none of the others that cover it.
    """
    middle = tilts[:, :, -1 - (tilts.shape[2] - 1) // 2]
    odds = probability / (1 - probability)
    hides = odds * middle / (1 + odds * tilts).prod(2)
    return bits_given(hides / middle if weighted else hides, true)


def bits_given(likelihood: np.ndarray, true: np.ndarray) -> float:
    """Mean bits of the true base by Bayes' rule; `likelihood` (places, 4) of the observation under each base."""
    belief = np.bincount(true, minlength=4) / len(true) * likelihood
    belief /= belief.sum(1, keepdims=True)
    return float(-np.log2(belief[np.arange(len(true)), true]).mean())


def main(
    fasta: Path,
    out: Out = RESULT,
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
    rows, of_tilted = [], []
    for k in range(2, 7):
        table, tokens = NpmiTable.from_intervals(genome.codes, genome.runs, max_n=k), KmerTokenizer(k).token_bases
        words = words_by_base(genome.codes, at, k)
        best = table.npmi(k)[words].max(2)
        probability = published_probability(mask_rate, tokens)
        tilts = tilted_span.tilt_of(table.npmi(k), table.counts(k), BETA)[words]
        starts = tilted_span.published_probability(mask_rate, tokens, BETA, SINGLE)
        weighted, plain = (bits_given_tilted(tilts, true, starts, weighted) for weighted in (True, False))
        of_tilted.append({"k": k, "bits": weighted, "bits_without_weights": plain, "order_0_bits": order_0})
        print(f"k = {k}, tilted-span: {weighted:.4f} bits, without its weights {plain:.4f}, order-0 {order_0:.4f}")
        for tokens in (30, 60, 128, 510):
            bits = bits_given_short(best, true, tokens + k - 1, probability)
            rows.append({"k": k, "window_tokens": tokens, "bits_given_short": bits, "order_0_bits": order_0})
            print(f"k = {k}, windows of {tokens:3d} tokens: {bits:.2f} bits, order-0 {order_0:.3f}")
    context = {"genome": fasta.name, "machine": platform.platform(), "genomask": genomask.__version__, "places": places}
    tilted = {"beta": BETA, "single": SINGLE, "rows": of_tilted}
    save(out, context | {"mask_rate": mask_rate, "rows": rows, "tilted": tilted})


if __name__ == "__main__":
    run_script(main)
