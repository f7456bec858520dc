"""Contiguous: DNABERT's mask. Each base may be a centre, and a centre hides that one base: k tokens in a row.

Source: DNABERT (Ji et al., Bioinformatics 2021), with centres drawn per base.
"""

from torch import Tensor

from genomask.masking.compiled_hash import compiled
from genomask.masking.loops import Array, Packed, Tables, centres, lay_out, mask_tokens_over_hidden
from genomask.masking.registry import register
from genomask.masking.view import MaskView
from genomask.types import TokenBases


def exact_chance(rate: float, tokens: TokenBases) -> float | None:
    """A token stays visible if none of its k bases is a centre."""
    return 1 - (1 - rate) ** (1 / tokens.k) if tokens.equally_long else None


@compiled
def contiguous_loop(batch: Packed, tables: Tables, spans: Array) -> None:
    """The same as a loop."""
    for s in range(len(batch.keys)):
        sequence = lay_out(batch, tables, s)
        for centre in centres(sequence):
            sequence.hidden[centre] = True
        mask_tokens_over_hidden(sequence, spans[batch.bounds[s] : batch.bounds[s + 1]])


@register("contiguous", published=lambda rate, tokens: rate / tokens.k, exact=exact_chance, loop=contiguous_loop)
def contiguous(view: MaskView) -> Tensor:
    """All tokens over each centre."""
    return view.hide(view.centres())
