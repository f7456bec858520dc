"""Bits per hidden base: k-mer distributions in, the information a model lacks about the hidden bases out.

Letters: M masked tokens, W windows, L bases of a window, S tokens of one, V vocabulary.
"""

from typing import NamedTuple

import torch
from torch import Tensor

SMALLEST_PROBABILITY = 1e-12
"""The least probability of a base that enters a logarithm; smaller ones count as this."""


class BitsPerBase(NamedTuple):
    """Mean over hidden bases, and its standard error with windows as the independent units."""

    mean: float
    standard_error: float | None
    """None for a single window: how much another would differ is unknown."""
    n_bases: int


def base_probabilities(log_probs: Tensor, first_base: Tensor, hidden: Tensor) -> Tensor:
    """(bases, 4) probability of A, C, G, T at each hidden base: the mean over the tokens that cover it.

    log_probs: (M, 4**k) over k-mers in ACGT lexicographic order; first_base: (M,) position of each token's first base
    in the flat bases; hidden: (bases,) bool. Bases that are not hidden get 0. Each token's distribution is
    marginalised to the base; adding the tokens' log-probabilities instead would count one hidden base k times.
    """
    probs = log_probs.exp()
    k = (probs.shape[1].bit_length() - 1) // 2
    sums = torch.zeros(len(hidden), 4, dtype=torch.float64, device=log_probs.device)
    covers = torch.zeros(len(hidden), 1, dtype=torch.float64, device=log_probs.device)
    for offset in range(k):
        marginal = probs.view(len(probs), 4**offset, 4, -1).sum((1, 3)).double()
        base = first_base + offset
        counts = hidden[base, None].double()
        sums.index_add_(0, base, marginal * counts)
        covers.index_add_(0, base, counts)
    return sums / covers.clamp(min=1)


def hidden_base_probabilities(
    logits: Tensor, masked: Tensor, start: Tensor, hidden: Tensor, kmer_ids: Tensor
) -> Tensor:
    """(W, L, 4) probability of each base where `hidden` (W, L); logits (M, V) of the `masked` tokens (W, S).

    The logits are in the order of `masked`, row by row; start: (W, S) first base of each token. Ids that are not k-mers
    are left out.
    """
    log_probs = logits.float()[:, kmer_ids.to(logits.device)].log_softmax(-1)
    window = torch.arange(len(hidden))[:, None] * hidden.shape[1]
    first_base = (window + start)[masked].to(logits.device)
    return base_probabilities(log_probs, first_base, hidden.flatten().to(logits.device)).view(*hidden.shape, 4)


def bits_per_base(fractions: Tensor, hidden: Tensor) -> BitsPerBase:
    """Mean of -log2 of the true base's fraction over hidden bases; both arguments are (W, L)."""
    bits = fractions.clamp(min=SMALLEST_PROBABILITY).log2_().neg_().masked_fill_(~hidden, 0.0)
    return BitsPerBase(*clustered_mean(bits.sum(1), hidden.sum(1)), int(hidden.sum()))


def clustered_mean(sums: Tensor, counts: Tensor) -> tuple[float, float | None]:
    """Mean of all items and its standard error, None for one window; items grouped in windows: sums, counts are (W,).

    Bases of one window are alike, so windows, not bases, are the independent units: the ratio estimator's variance.
    """
    total = counts.sum()
    mean = sums.sum() / total
    residuals = sums - mean * counts
    if len(sums) < 2:
        return float(mean), None
    error = (residuals.square().sum() * len(sums) / (len(sums) - 1)).sqrt() / total
    return float(mean), float(error)
