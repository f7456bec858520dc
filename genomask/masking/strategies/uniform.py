"""Uniform: every token is masked independently, as in BERT. On overlapping k-mers this hides almost no base."""

from torch import Tensor

from genomask.masking.registry import register
from genomask.masking.view import MaskView


@register("uniform", exact=lambda rate, tokens: rate)
def uniform(view: MaskView) -> Tensor:
    """Each maskable token, with the asked rate."""
    return view.token_is_drawn() & view.grid.maskable
