"""Random-span, the control: genemask with the NPMI replaced by random numbers, fresh for each token and step.

The centres are genemask's, and so are the numbers of long and short spans; only where the long ones lie differs.
"""

from torch import Tensor

from genomask.masking import streams
from genomask.masking.registry import register
from genomask.masking.strategies.centred import hide_around_centres, published_chance
from genomask.masking.strategies.centred_loop import BY_DRAW, loop_around_centres
from genomask.masking.view import MaskView

_loop = loop_around_centres(BY_DRAW)


@register("random-span", published=published_chance, units="dna", loop=_loop)
def random_span(view: MaskView) -> Tensor:
    """Long spans at random, single bases elsewhere."""
    draws = view.draw_tokens(streams.TOKEN_SCORE)
    return hide_around_centres(view, lambda _, index: draws.take(index))
