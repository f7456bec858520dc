"""Contiguous: DNABERT's mask. Each base may be a centre, and a centre hides that one base: k tokens in a row.

Source: DNABERT (Ji et al., Bioinformatics 2021), with centres drawn per base.
"""

from torch import Tensor

from genomask.masking.registry import register
from genomask.masking.simulation import equally_long
from genomask.masking.view import MaskView
from genomask.types import TokenBases


def exact_chance(rate: float, tokens: TokenBases) -> float | None:
    """A token stays visible if none of its k bases is a centre."""
    return 1 - (1 - rate) ** (1 / tokens.k) if equally_long(tokens) else None


@register("contiguous", published=lambda rate, tokens: rate / tokens.k, exact=exact_chance)
def contiguous(view: MaskView) -> Tensor:
    """All tokens over each centre."""
    return view.hide(view.centres())
