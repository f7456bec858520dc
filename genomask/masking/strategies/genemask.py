"""GeneMask as in the paper, in bases: the centre's token of highest NPMI, hidden whole for the better half of centres.

Source: GeneMask (Roy et al., ECAI 2023).
"""

import numpy as np

from genomask.masking.centred import centres_and_tokens, hide_better_half, published_probability
from genomask.masking.registry import strategy
from genomask.masking.sequence import Sequence


@strategy("genemask", units="dna", needs=["npmi"], published=published_probability)
def genemask(sequence: Sequence) -> None:
    """Long spans where tokens have a high NPMI, single bases elsewhere."""
    found, over = centres_and_tokens(sequence)
    scores = np.empty(over.shape, dtype=np.float64)
    for place in np.ndindex(over.shape):
        scores[place] = sequence.scores[np.uint64(sequence.input_ids[over[place]])]
    hide_better_half(sequence, found, over, scores)
