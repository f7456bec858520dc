"""Baselines of a loss: entropies that need no network, printed beside a network's loss.

All are computed on the very items that the model is scored on, so that a model and its baseline see the same bases.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from genomask.training.bits import BitsPerBase, bits_per_base

MARKOV_ORDER = 5


def entropy_nats(labels: Tensor) -> float:
    """Entropy of `labels` (M,) under their own frequencies, in nats: the loss of the best constant guess."""
    counts = torch.bincount(labels).double()
    fractions = counts[counts > 0] / counts.sum()
    return float((fractions * fractions.reciprocal().log()).sum())


def order_0_fractions(codes: Tensor, hidden: Tensor) -> Tensor:
    """(W, L) fraction of each base among the hidden ones; codes (W, L), hidden (W, L) bool.

    Their bits per base are the entropy of the hidden bases under their own composition.
    """
    counts = torch.bincount(codes[hidden], minlength=4).double()
    return (counts / counts.sum())[codes.long()]


def markov_bits(codes: Tensor, hidden: Tensor, counts: np.ndarray) -> BitsPerBase:
    """Bits of each hidden base given the MARKOV_ORDER true bases before it.

    counts: (4**6,) 6-mers of the training part in ACGT lexicographic order; one is added to each, so that no base has
    probability zero.
    """
    table = torch.from_numpy(counts).double().view(-1, 4) + 1
    table = table / table.sum(1, keepdim=True)
    codes = codes.long()
    context = torch.zeros_like(codes[:, MARKOV_ORDER:])
    for offset in range(MARKOV_ORDER):
        context = 4 * context + codes[:, offset : offset + context.shape[1]]
    fractions = torch.ones(codes.shape, dtype=torch.float64)
    fractions[:, MARKOV_ORDER:] = table[context, codes[:, MARKOV_ORDER:]]
    return bits_per_base(fractions, hidden)


@dataclass(frozen=True)
class Baselines:
    """Fixed for a run: what the evaluation rows are compared with."""

    ln_vocabulary_nats: float
    """Loss of a uniform guess."""
    unigram_entropy_nats: float
    """Loss of the best constant guess for the masked tokens of the evaluation."""
    flank_floor_nats: float | None = None
    """Hidden bases per masked token x the order-0 entropy: above it a model still learns to copy visible flanks."""
    order_0_bits: float | None = None
    order_0_bits_single: float | None = None
    order_0_bits_six: float | None = None
    order_5_bits: float | None = None
    order_5_bits_single: float | None = None
    order_5_bits_six: float | None = None
    window_bases: int | None = None
    """Bases of a held-out window: fewer than usual where the genome's runs of ACGT are shorter."""

    def __post_init__(self) -> None:
        assert all(value is None or math.isfinite(value) for value in vars(self).values())
