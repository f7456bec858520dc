"""Contiguous: DNABERT's mask. Each base may be a centre, and a centre hides that one base: k tokens in a row.

Source: DNABERT (Ji et al., Bioinformatics 2021), with centres drawn per base.
"""

from genomask.masking.registry import strategy
from genomask.masking.sequence import Sequence, centres, hide_base
from genomask.types import TokenBases


def exact_probability(rate: float, tokens: TokenBases) -> float | None:
    """A token stays visible if none of its k bases is a centre."""
    return 1 - (1 - rate) ** (1 / tokens.k) if tokens.equally_long else None


@strategy("contiguous", published=lambda rate, tokens: rate / tokens.k, exact=exact_probability)
def contiguous(sequence: Sequence) -> None:
    """All tokens over each centre."""
    for centre in centres(sequence):
        hide_base(sequence, centre)
