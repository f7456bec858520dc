"""Genemask-released: what the published GeneMask code masks. It looks up the NPMI by a token's position, not its id.

Its last version takes a token's number in its sequence for the token's id, so it never looks at the sequence: numbers
below 5, the ids of special tokens, beat all others, and number 5 has the NPMI of the first k-mer. With fewer than nine
centres all are good.
"""

import numpy as np

from genomask.masking.centred import centres_and_tokens, hide_better_half, published_probability
from genomask.masking.registry import strategy
from genomask.masking.sequence import Sequence

ALL_GOOD_BELOW = 9
"""From this number of centres on, only the better half is good."""
_LOWEST = np.finfo(np.float64).min
"""Score of a number that is no id; a k-mer without an NPMI scores no lower."""


@strategy("genemask-released", units="dna", needs=["npmi", "every length"], published=published_probability)
def genemask_released(sequence: Sequence) -> None:
    """Genemask by the NPMI of the k-mer whose id is the token's number in its sequence."""
    found, over = centres_and_tokens(sequence)
    scores = np.full(over.shape, _LOWEST)
    for place in np.ndindex(over.shape):
        number = sequence.start[over[place]] // sequence.vocabulary.stride + 1  # counted from [CLS], which is 0
        if number < sequence.vocabulary.maskable_ids[0]:  # the id of the first k-mer
            scores[place] = np.inf
        elif number < len(sequence.scores):
            scores[place] = max(sequence.scores[number], _LOWEST)
    hide_better_half(sequence, found, over, scores, ALL_GOOD_BELOW, False)
