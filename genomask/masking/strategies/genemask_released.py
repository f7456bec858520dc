"""Genemask-released: what the published GeneMask code masks. It looks its NPMI up by where a token is, not what it is.

In its last version the number of a token in its sequence is taken for the token's id, so the sequence is never looked
at: numbers below 5, the ids of special tokens, beat all others, and number 5 has the NPMI of the first k-mer. With
fewer than nine centres all are good.
"""

import numpy as np

from genomask.masking.centred import around_centres, published_probability
from genomask.masking.jit import Int, jit
from genomask.masking.registry import strategy
from genomask.masking.sequence import Sequence

ALL_GOOD_BELOW = 9
"""Centres in a sequence from which on only the better half is good."""
_LOWEST = np.finfo(np.float64).min


@jit
def npmi_of_number(sequence: Sequence, t: Int, centre: Int) -> float:
    """NPMI of the k-mer whose id is the token's number, counted from [CLS], which is 0; unknown ids come last."""
    number = sequence.start[t] // sequence.vocabulary.stride + 1
    if number < sequence.vocabulary.maskable_ids[0]:  # of the first k-mer
        return np.inf
    return max(sequence.scores[number], _LOWEST) if number < len(sequence.scores) else _LOWEST


_hide = around_centres(npmi_of_number, all_long_below=ALL_GOOD_BELOW, ties_at_random=False)


@strategy("genemask-released", units="dna", needs=["npmi", "every length"], published=published_probability)
def genemask_released(sequence: Sequence) -> None:
    """Genemask by the NPMI of the k-mer whose id is the token's number in its sequence."""
    _hide(sequence)
