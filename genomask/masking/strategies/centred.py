"""What genemask and its control share: centres, the best token near each, long spans for the better half.

Source: GeneMask (Roy et al., ECAI 2023), its text read in bases.

Letters: C centres, J tokens that cover a base (k at stride 1), L long spans.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from genomask.hashing import hash64
from genomask.masking import streams
from genomask.masking.hidden import coverage, tokens_over
from genomask.masking.view import MaskView
from genomask.types import TokenBases

_LARGEST = 2**63 - 1


def published_chance(rate: float, tokens: TokenBases) -> float:
    """p_c = rate / mean number of tokens a centre masks if spans never meet: (2k - 1 + k) / 2 at stride 1."""
    n_tokens = -(-tokens.k // tokens.stride)
    return rate / (tokens.stride * (2 * n_tokens - 1 + n_tokens) / 2)


def hide_around_centres(
    view: MaskView, score: Callable[[Tensor, Tensor], Tensor], *, all_long_below: int = 0, ties_by_lot: bool = True
) -> Tensor:
    """Mask around centres drawn per base, given `score` of centres (C,) and the tokens over each (C, J): (C, J).

    Each centre takes the token of the highest score that covers it, ties at random or, without lots, the one that
    starts last. Per sequence the better ceil(m / 2) of m centres, ties at random, hide all bases of their token, all m
    where m is below `all_long_below`; the others hide their own base alone. Returns (T,) bool.
    """
    centres, grid = view.centres(), view.grid
    index, real = view.tokens_covering(centres)
    on_maskable = real.any(1)  # a centre on N has no token to mask and is none
    centres, index, real = centres[on_maskable], index[on_maskable], real[on_maskable]
    sequence = torch.bucketize(centres, grid.offsets[1:], right=True)
    base = centres - grid.offsets[sequence]

    scores = torch.where(real, score(centres, index), -torch.inf)
    best_score = scores.amax(1)
    tied = real & (scores == best_score[:, None])
    n_tokens = index.shape[1]
    at = torch.arange(n_tokens, device=base.device)
    places = base[:, None] * n_tokens + at
    lots = hash64(view.keys[sequence][:, None], streams.TOKEN_TIE, places) & _LARGEST if ties_by_lot else n_tokens - at
    best = index.gather(1, torch.where(tied, lots, -1).argmax(1, keepdim=True)).squeeze(1)

    lot = hash64(view.keys[sequence], streams.CENTRE_TIE, base)
    n_centres = torch.bincount(sequence, minlength=len(view.keys))
    n_long = torch.where(n_centres < all_long_below, n_centres, (n_centres + 1) // 2)
    long = best_of_each(best_score, lot, sequence, n_long)
    long_tokens = torch.zeros_like(grid.maskable)
    long_tokens[best[long]] = True
    hidden = coverage(long_tokens, grid) > 0
    hidden[centres[~long]] = True
    return tokens_over(hidden, grid)


def best_of_each(score: Tensor, lot: Tensor, sequence: Tensor, n_wanted: Tensor) -> Tensor:
    """(C,) bool: the n_wanted (B,) of each sequence's C things with the highest score; the lowest lot settles ties."""
    order = lot.argsort()
    order = order[score[order].argsort(descending=True, stable=True)]
    order = order[sequence[order].argsort(stable=True)]
    counts = torch.bincount(sequence, minlength=len(n_wanted))
    rank = torch.arange(len(score), device=score.device) - (counts.cumsum(0) - counts)[sequence[order]]
    chosen = torch.empty_like(rank, dtype=torch.bool)
    chosen[order] = rank < n_wanted[sequence[order]]
    return chosen
