"""Random-span, the control: genemask with the NPMI replaced by random numbers, fresh for each token and step.

The centres are genemask's, and so are the numbers of long and short spans; only where the long ones lie differs.
"""

from genomask.hashing import Purpose
from genomask.masking.centred import around_centres, published_probability
from genomask.masking.jit import Int, draw, jit, key_for
from genomask.masking.registry import strategy
from genomask.masking.sequence import Sequence


@jit
def random_score(sequence: Sequence, t: Int, centre: Int) -> float:
    """A number in [0, 1), the same for every centre."""
    return draw(key_for(sequence.key, Purpose.TOKEN_SCORE), t) * 2.0**-53


_hide = around_centres(random_score)


@strategy("random-span", units="dna", published=published_probability)
def random_span(sequence: Sequence) -> None:
    """Long spans at random, single bases elsewhere."""
    _hide(sequence)
