"""Whole-word: every word of text is masked independently, with all its pieces (BERT's later mask)."""

import torch
from torch import Tensor

from genomask.masking.compiled_hash import compiled
from genomask.masking.loops import Array, Packed, Tables, lay_out, number_spans, tokens_drawn
from genomask.masking.registry import register
from genomask.masking.view import MaskView


@compiled
def whole_word_loop(batch: Packed, tables: Tables, spans: Array) -> None:
    """The same as a loop."""
    for s in range(len(batch.keys)):
        sequence = lay_out(batch, tables, s)
        masked = tokens_drawn(sequence)
        in_drawn_word = False
        for t in range(len(masked)):
            starts = tables.word_start[sequence.input_ids[t]] or t == 0 or not sequence.maskable[t]
            in_drawn_word = masked[t] if starts else in_drawn_word
            masked[t] = in_drawn_word and sequence.maskable[t]
        number_spans(masked, spans[batch.bounds[s] : batch.bounds[s + 1]])


@register("whole-word", exact=lambda rate, tokens: rate, units="text", loop=whole_word_loop)
def whole_word(view: MaskView) -> Tensor:
    """All maskable tokens of each drawn word; the word's draw is that of its first token."""
    starts = view.tokens.word_start[view.input_ids] | (view.grid.position == 0) | ~view.grid.maskable
    index = torch.arange(len(starts), device=starts.device)
    first_token = torch.where(starts, index, 0).cummax(0).values
    return view.token_is_drawn()[first_token] & view.grid.maskable
