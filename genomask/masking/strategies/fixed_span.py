"""Fixed-span: 2k - 1 tokens around every centre and no NPMI, GeneMask's long spans throughout.

Letters: C centres, J tokens that cover a base (k at stride 1).
"""

import torch
from torch import Tensor

from genomask.masking.hidden import coverage, tokens_over
from genomask.masking.registry import register
from genomask.masking.view import MaskView
from genomask.types import TokenBases


def published_chance(rate: float, tokens: TokenBases) -> float:
    """Rate / number of tokens a centre masks if spans never meet, 2k - 1 at stride 1."""
    n_tokens = -(-tokens.k // tokens.stride)
    return rate / (tokens.stride * (2 * n_tokens - 1))


@register("fixed-span", published=published_chance)
def fixed_span(view: MaskView) -> Tensor:
    """Each centre hides all bases of the middle one of the tokens that cover it, near an end of the nearest to that."""
    centres = view.centres()
    index_CJ, real_CJ = view.tokens_covering(centres)
    tokens_on = (centres[:, None] - view.grid.start[index_CJ]) // view.tokens.stride
    distance = (tokens_on - (index_CJ.shape[1] - 1) // 2).abs()
    column = torch.where(real_CJ, distance, view.tokens.k).argmin(1, keepdim=True)
    middle = torch.zeros_like(view.grid.maskable)
    middle[index_CJ.gather(1, column)[real_CJ.any(1)]] = True  # a centre on N has no token to mask and is none
    return tokens_over(coverage(middle, view.grid) > 0, view.grid)
