"""What genemask and its control share: centres, the best token near each, long spans for the better half.

Source: GeneMask (Roy et al., ECAI 2023), its text read in bases.

Letters: C centres, J tokens that cover a base (k at stride 1), L long spans.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from genomask.hashing import hash64
from genomask.masking import compiled_centred, streams
from genomask.masking.grid import BaseGrid
from genomask.masking.hidden import coverage, tokens_over
from genomask.masking.view import MaskView
from genomask.types import TokenBases

_LARGEST = 2**63 - 1


def published_chance(rate: float, tokens: TokenBases) -> float:
    """p_c = rate / mean number of tokens a centre masks if spans never meet: (2k - 1 + k) / 2 at stride 1."""
    n_tokens = -(-tokens.k // tokens.stride)
    return rate / (tokens.stride * (2 * n_tokens - 1 + n_tokens) / 2)


def hide_around_centres(view: MaskView, score: Callable[[Tensor, Tensor], Tensor], all_long: bool = False) -> Tensor:
    """Mask around centres drawn per base, given `score` of centres (C,) and the tokens over each (C, J): (C, J).

    Each centre takes the token of the highest score that covers it, ties at random. Per sequence the better
    ceil(m / 2) of m centres, ties at random, hide all bases of their token, with all_long all m; the others hide their
    own base alone. Returns (T,) bool.
    """
    centres = view.centres()
    index, real = view.tokens_covering(centres)
    form = compiled_centred.hidden_around if centres.device.type == "cpu" else hidden_around
    return tokens_over(form(centres, index, real, score(centres, index), view.keys, view.grid, all_long), view.grid)


def hidden_around(
    centres: Tensor, index: Tensor, real: Tensor, score: Tensor, keys: Tensor, grid: BaseGrid, all_long: bool
) -> Tensor:
    """(G,) bool: the bases hidden around centres (C,), given the tokens over each, (C, J), and their scores.

    As tensor operations: for a GPU, and the twin that the compiled loops must match.
    """
    on_maskable = real.any(1)  # a centre on N has no token to mask and is none
    centres, index, real, score = (x[on_maskable] for x in (centres, index, real, score))
    sequence = torch.bucketize(centres, grid.offsets[1:], right=True)
    base = centres - grid.offsets[sequence]

    score = torch.where(real, score, -torch.inf)
    best_score = score.amax(1)
    tied = real & (score == best_score[:, None])
    n_tokens = index.shape[1]
    places = base[:, None] * n_tokens + torch.arange(n_tokens, device=base.device)
    draws = hash64(keys[sequence][:, None], streams.TOKEN_TIE, places) & _LARGEST
    best = index.gather(1, torch.where(tied, draws, -1).argmax(1, keepdim=True)).squeeze(1)

    draw = hash64(keys[sequence], streams.CENTRE_TIE, base)
    long = torch.ones_like(tied[:, 0]) if all_long else better_half(best_score, draw, sequence, len(keys))
    long_tokens = torch.zeros_like(grid.maskable)
    long_tokens[best[long]] = True
    hidden = coverage(long_tokens, grid) > 0
    hidden[centres[~long]] = True
    return hidden


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
