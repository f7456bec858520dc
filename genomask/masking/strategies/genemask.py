"""GeneMask as in the paper, in bases: the centre's token of highest NPMI, hidden whole for the better half of centres.

Source: GeneMask (Roy et al., ECAI 2023).
"""

from torch import Tensor

from genomask.masking.registry import register
from genomask.masking.strategies.centred import hide_around_centres, published_chance
from genomask.masking.strategies.centred_loop import BY_NPMI, loop_around_centres
from genomask.masking.view import MaskView

_loop = loop_around_centres(BY_NPMI)


@register("genemask", published=published_chance, units="dna", needs_npmi=True, loop=_loop)
def genemask(view: MaskView) -> Tensor:
    """Long spans where tokens have a high NPMI, single bases elsewhere."""
    return hide_around_centres(view, lambda _, index: view.scores.take(view.input_ids.take(index)))
