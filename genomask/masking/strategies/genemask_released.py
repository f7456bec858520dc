"""Genemask-released: what the published GeneMask code masks. It looks its NPMI up by where a token is, not what it is.

In its last version the number of a token in its sequence is taken for the token's id, so the sequence is never looked
at: numbers below 5, the ids of special tokens, beat all others, and number 5 has the NPMI of the first k-mer. With
fewer than nine centres all are good.

Letters: C centres, J tokens that cover a base.
"""

import torch
from torch import Tensor

from genomask.masking.registry import register
from genomask.masking.strategies.centred import hide_around_centres, published_chance
from genomask.masking.strategies.centred_loop import BY_NUMBER, loop_around_centres
from genomask.masking.view import MaskView

ALL_GOOD_BELOW = 9
"""Centres in a sequence from which on only the better half is good."""
_loop = loop_around_centres(BY_NUMBER, all_long_below=ALL_GOOD_BELOW, ties_by_lot=False)


@register("genemask-released", published=published_chance, units="dna", needs_npmi=True, uneven=True, loop=_loop)
def genemask_released(view: MaskView) -> Tensor:
    """Genemask by the NPMI of the k-mer whose id is the token's number in its sequence."""
    scores = score_of_number(view)

    def by_number(centres: Tensor, index: Tensor) -> Tensor:
        sequence = torch.bucketize(centres, view.grid.offsets[1:], right=True)
        start = view.grid.start[index] - view.grid.offsets[sequence, None]
        number = start // view.tokens.stride + 1  # as after [CLS], which is number 0
        return scores[number.clamp(0, len(scores) - 1)]

    return hide_around_centres(view, by_number, all_long_below=ALL_GOOD_BELOW, ties_by_lot=False)


def score_of_number(view: MaskView) -> Tensor:
    """(S,) NPMI of the id n for n = 0 .. length of the longest sequence; ids beyond the vocabulary come last."""
    lowest = torch.finfo(view.scores.dtype).min
    scores = view.scores.new_full((int(view.grid.bounds.diff().max()) + 1,), lowest)
    known = view.scores[: len(scores)].clamp(min=lowest)  # still above what is no token at all
    scores[: len(known)] = known
    scores[: int(view.tokens.kmer_ids.min())] = torch.inf
    return scores
