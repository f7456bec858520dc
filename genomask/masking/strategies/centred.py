"""What genemask and its control share: centres, the best token near each, long spans for the better half.

Source: GeneMask (Roy et al., ECAI 2023), its text read in bases.

Letters: C centres, J tokens that cover a base (k at stride 1), L long spans.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from genomask.hashing import hash64
from genomask.masking import streams
from genomask.masking.view import MaskView
from genomask.types import TokenBases

_LARGEST = 2**63 - 1


def published_chance(rate: float, tokens: TokenBases) -> float:
    """p_c = rate / mean number of tokens a centre masks if spans never meet: (2k - 1 + k) / 2 at stride 1."""
    n_tokens = -(-tokens.k // tokens.stride)
    return rate / (tokens.stride * (2 * n_tokens - 1 + n_tokens) / 2)


def hide_around_centres(view: MaskView, score: Callable[[Tensor], Tensor]) -> Tensor:
    """Mask around centres drawn per base, given `score` of token indices (C, J); higher is better.

    Each centre takes the best token that covers it, ties at random. Per sequence the better ceil(m / 2) of m centres,
    ties at random, hide all bases of their token; the others hide their own base alone. Returns (T,) bool.
    """
    centres = view.centres()
    index_CJ, real_CJ = view.tokens_covering(centres)
    on_maskable = real_CJ.any(1)  # a centre on N has no token to mask and is none
    centres, index_CJ, real_CJ = centres[on_maskable], index_CJ[on_maskable], real_CJ[on_maskable]
    sequence = view.grid.sequence[index_CJ[:, 0]]
    base = centres - view.grid.offsets[sequence]

    score_CJ = torch.where(real_CJ, score(index_CJ), -torch.inf)
    best_score = score_CJ.amax(1)
    tied = real_CJ & (score_CJ == best_score[:, None])
    n_tokens = index_CJ.shape[1]
    places = base[:, None] * n_tokens + torch.arange(n_tokens, device=base.device)
    draw_CJ = hash64(view.keys[sequence][:, None], streams.TOKEN_TIE, places) & _LARGEST
    best = index_CJ.gather(1, torch.where(tied, draw_CJ, -1).argmax(1, keepdim=True)).squeeze(1)

    draw = hash64(view.keys[sequence], streams.CENTRE_TIE, base)
    long = better_half(best_score, draw, sequence, len(view.keys))
    bases = torch.arange(view.tokens.k, device=base.device)
    hidden_by_long = (view.grid.start[best[long]][:, None] + bases).flatten()
    return view.hide(torch.cat([centres[~long], hidden_by_long]))


def better_half(score: Tensor, draw: Tensor, sequence: Tensor, n_sequences: int) -> Tensor:
    """(C,) bool: the ceil(m / 2) of each sequence's m centres with the highest score; the lowest draw settles ties."""
    order = draw.argsort()
    order = order[score[order].argsort(descending=True, stable=True)]
    order = order[sequence[order].argsort(stable=True)]
    counts = torch.bincount(sequence, minlength=n_sequences)
    rank = torch.arange(len(score), device=score.device) - (counts.cumsum(0) - counts)[sequence[order]]
    chosen = torch.empty_like(rank, dtype=torch.bool)
    chosen[order] = rank < (counts[sequence[order]] + 1) // 2
    return chosen
