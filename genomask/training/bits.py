"""Bits per hidden base: k-mer distributions in, the information a model lacks about the hidden bases out.

Letters: M masked tokens, W windows, L bases of a window.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class BitsPerBase(NamedTuple):
    """Mean over hidden bases, and its standard error with windows as the independent units."""

    mean: float
    standard_error: float
    n_bases: int


def true_base_probabilities(log_probs: Tensor, first_base: Tensor, codes: Tensor, hidden: Tensor) -> Tensor:
    """(bases,) mean probability of the true base, over the tokens that cover it.

    log_probs: (M, 4**k) over k-mers in ACGT lexicographic order; first_base: (M,) position of each token's first base
    in the flat bases; codes: (bases,) true bases, A0 C1 G2 T3; hidden: (bases,) bool. Bases that are not hidden get 0.
    """
    probs = log_probs.exp()
    k = (probs.shape[1].bit_length() - 1) // 2
    fractions = torch.zeros(len(codes), dtype=torch.float64, device=log_probs.device)
    covers = torch.zeros_like(fractions)
    for offset in range(k):
        marginal = probs.view(len(probs), 4**offset, 4, -1).sum((1, 3))
        base = first_base + offset
        true = marginal.gather(1, codes[base, None]).squeeze(1).double()
        fractions.index_add_(0, base, true * hidden[base])
        covers.index_add_(0, base, hidden[base].double())
    return fractions / covers.clamp(min=1)


def bits_per_base(fractions: Tensor, hidden: Tensor) -> BitsPerBase:
    """Mean of -log2 of the true base's fraction over hidden bases; both arguments are (W, L)."""
    bits = torch.where(hidden, -fractions.clamp(min=1e-12).log2(), 0.0)
    return BitsPerBase(*clustered_mean(bits.sum(1), hidden.sum(1)), int(hidden.sum()))


def clustered_mean(sums: Tensor, counts: Tensor) -> tuple[float, float]:
    """Mean of all items and its standard error, items grouped in windows: sums and counts are (W,).

    Bases of one window are alike, so windows, not bases, are the independent units: the ratio estimator's variance.
    """
    total = counts.sum()
    mean = sums.sum() / total
    residuals = sums - mean * counts
    error = (residuals.square().sum() * len(sums) / max(1, len(sums) - 1)).sqrt() / total
    return float(mean), float(error)
