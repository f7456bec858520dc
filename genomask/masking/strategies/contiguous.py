"""Contiguous: DNABERT's mask. Each base may be a centre, and a centre hides that one base: k tokens in a row.

Source: DNABERT (Ji et al., Bioinformatics 2021), with centres drawn per base.
"""

from torch import Tensor

from genomask.masking.registry import register
from genomask.masking.view import MaskView


@register(
    "contiguous",
    published=lambda rate, tokens: rate / tokens.k,
    exact=lambda rate, tokens: 1 - (1 - rate) ** (1 / tokens.k),  # a token stays visible if none of its k bases is one
)
def contiguous(view: MaskView) -> Tensor:
    """All tokens over each centre."""
    return view.hide(view.centres())
