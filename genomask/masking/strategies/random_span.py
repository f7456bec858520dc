"""Random-span, the control: genemask with the NPMI replaced by random numbers, fresh for each token and step.

The centres and the numbers of long and short spans are genemask's; only the places of the long ones differ.
"""

import numpy as np

from genomask.hashing import Purpose
from genomask.masking.centred import centres_and_tokens, hide_better_half, published_probability
from genomask.masking.jit import draw, key_for
from genomask.masking.registry import strategy
from genomask.masking.sequence import Sequence


@strategy("random-span", units="dna", published=published_probability)
def random_span(sequence: Sequence) -> None:
    """Long spans at random, single bases elsewhere."""
    found, over = centres_and_tokens(sequence)
    key = key_for(sequence.key, Purpose.TOKEN_SCORE)
    scores = np.empty(over.shape, dtype=np.float64)
    for place in np.ndindex(over.shape):
        scores[place] = draw(key, over[place])
    hide_better_half(sequence, found, over, scores)
