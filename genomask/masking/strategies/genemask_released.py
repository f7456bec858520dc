"""Genemask-released: what the published GeneMask code masks. It looks its NPMI up by where a token is, not what it is.

In its last version the number of a token in its sequence is taken for the token's id, so the sequence is never looked
at: numbers below 5, the ids of special tokens, beat all others, and number 5 has the NPMI of the first k-mer. With
fewer than nine centres all are good.

Letters: T tokens of all packed sequences, C centres, J tokens that cover a base.
"""

import torch
from torch import Tensor

from genomask.hashing import hash64
from genomask.masking import streams
from genomask.masking.hidden import coverage, tokens_over
from genomask.masking.registry import register
from genomask.masking.strategies.centred import better_half, published_chance
from genomask.masking.view import MaskView

ALL_GOOD_BELOW = 9
"""Centres in a sequence from which on only the better half is good."""


@register("genemask-released", published=published_chance, units="dna", needs_npmi=True, uneven=True)
def genemask_released(view: MaskView) -> Tensor:
    """Genemask by the NPMI of the k-mer whose id is the token's number in its sequence."""
    centres = view.centres()
    index_CJ, real_CJ = view.tokens_covering(centres)
    on_maskable = real_CJ.any(1)
    centres, index_CJ, real_CJ = centres[on_maskable], index_CJ[on_maskable], real_CJ[on_maskable]
    sequence = torch.bucketize(centres, view.grid.offsets[1:], right=True)
    offset = view.grid.offsets[sequence]
    base = centres - offset

    number_CJ = (view.grid.start[index_CJ] - offset[:, None]) // view.tokens.stride + 1  # as after [CLS], number 0
    scores = score_of_number(view)
    score_CJ = torch.where(real_CJ, scores[number_CJ.clamp(0, len(scores) - 1)], -torch.inf)
    best = index_CJ.gather(1, score_CJ.argmax(1, keepdim=True)).squeeze(1)  # of equals, the one that starts last
    draw = hash64(view.keys[sequence], streams.CENTRE_TIE, base)
    few = torch.bincount(sequence, minlength=len(view.keys)) < ALL_GOOD_BELOW
    good = better_half(score_CJ.amax(1), draw, sequence, len(view.keys)) | few[sequence]

    long = torch.zeros_like(view.grid.maskable)
    long[best[good]] = True
    hidden = coverage(long, view.grid) > 0
    hidden[centres[~good]] = True
    return tokens_over(hidden, view.grid)


def score_of_number(view: MaskView) -> Tensor:
    """(S,) NPMI of the id n for n = 0 .. length of the longest sequence; ids beyond the vocabulary come last."""
    lowest = torch.finfo(view.scores.dtype).min
    scores = view.scores.new_full((int(view.grid.bounds.diff().max()) + 1,), lowest)
    known = view.scores[: len(scores)].clamp(min=lowest)  # still above what is no token at all
    scores[: len(known)] = known
    scores[: int(view.tokens.kmer_ids.min())] = torch.inf
    return scores
