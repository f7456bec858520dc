"""Fixed-span: 2k - 1 tokens around every centre and no NPMI, GeneMask's long spans throughout.

Letters: C centres, J tokens that cover a base (k at stride 1).
"""

import numpy as np
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


def visible(chance: float, n_tokens: int, tokens: TokenBases) -> np.ndarray:
    """(n_tokens,) probability that no centre takes a token that overlaps, or is, this one."""
    k, stride = tokens.k, tokens.stride
    centre = np.arange((n_tokens - 1) * stride + k)
    nearest = np.rint((2 * centre - _sought(tokens) + 0.5) / (2 * stride))
    taken = nearest.clip(np.maximum(0, -(-(centre - k + 1) // stride)), np.minimum(n_tokens - 1, centre // stride))
    centres_of = np.bincount(taken.astype(int), minlength=n_tokens)
    overlapping = (k - 1) // stride
    n_centres = np.convolve(centres_of, np.ones(2 * overlapping + 1))[overlapping : overlapping + n_tokens]
    return (1 - chance) ** n_centres


def _sought(tokens: TokenBases) -> int:
    """Twice the bases that the middle token over a centre has before it, in the middle of all centres it can have."""
    middle = (-(-tokens.k // tokens.stride) - 1) // 2
    return (2 * middle + 1) * tokens.stride - 1


ALWAYS = 2**62
"""More centres than any sequence has."""
_loop = loop_around_centres(BY_NEARNESS, all_long_below=ALWAYS)


@register("fixed-span", published=published_chance, visible=visible, loop=_loop)
def fixed_span(view: MaskView) -> Tensor:
    """Each centre hides all bases of the middle one of the tokens that cover it, near an end of the nearest to that."""
    sought = _sought(view.tokens)

    def nearness(centres: Tensor, index: Tensor) -> Tensor:
        before = centres[:, None] - view.grid.start[index]
        return -(2.0 * before - sought + 0.5).abs()  # of two as near, the one that starts later

    return hide_around_centres(view, nearness, all_long_below=ALWAYS)
