"""Uniform: every token is masked independently, as in BERT. On overlapping k-mers this hides almost no base."""

from torch import Tensor

from genomask.masking.compiled_hash import compiled
from genomask.masking.loops import Array, Packed, Tables, lay_out, number_spans, tokens_drawn
from genomask.masking.registry import register
from genomask.masking.view import MaskView


@compiled
def uniform_loop(batch: Packed, tables: Tables, spans: Array) -> None:
    """The same as a loop."""
    for s in range(len(batch.keys)):
        sequence = lay_out(batch, tables, s)
        masked = tokens_drawn(sequence) & sequence.maskable
        number_spans(masked, spans[batch.bounds[s] : batch.bounds[s + 1]])


@register("uniform", exact=lambda rate, tokens: rate, loop=uniform_loop)
def uniform(view: MaskView) -> Tensor:
    """Each maskable token, with the asked rate."""
    return view.token_is_drawn() & view.grid.maskable
