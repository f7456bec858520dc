"""Fixed-span: 2k - 1 tokens around every centre and no NPMI, GeneMask's long spans throughout.

Letters: C centres, J tokens that cover a base (k at stride 1).
"""

from torch import Tensor

from genomask.masking.registry import register
from genomask.masking.strategies.centred import hide_around_centres
from genomask.masking.strategies.centred_loop import BY_NEARNESS, loop_around_centres
from genomask.masking.view import MaskView
from genomask.types import TokenBases


def published_chance(rate: float, tokens: TokenBases) -> float:
    """Rate / number of tokens a centre masks if spans never meet, 2k - 1 at stride 1."""
    n_tokens = -(-tokens.k // tokens.stride)
    return rate / (tokens.stride * (2 * n_tokens - 1))


ALWAYS = 2**62
"""More centres than any sequence has."""
_loop = loop_around_centres(BY_NEARNESS, all_long_below=ALWAYS)


@register("fixed-span", published=published_chance, loop=_loop)
def fixed_span(view: MaskView) -> Tensor:
    """Each centre hides all bases of the middle one of the tokens that cover it, near an end of the nearest to that."""
    middle = (-(-view.tokens.k // view.tokens.stride) - 1) // 2
    # twice the bases that this token has before the centre, in the middle of all centres it can have
    sought = (2 * middle + 1) * view.tokens.stride - 1

    def nearness(centres: Tensor, index: Tensor) -> Tensor:
        before = centres[:, None] - view.grid.start[index]
        return -(2.0 * before - sought + 0.5).abs()  # of two as near, the one that starts later

    return hide_around_centres(view, nearness, all_long_below=ALWAYS)
