"""Whole-word: every word of text is masked independently, with all its pieces (BERT's later mask)."""

import torch
from torch import Tensor

from genomask.masking.registry import register
from genomask.masking.view import MaskView


@register("whole-word", exact=lambda rate, tokens: rate, units="text")
def whole_word(view: MaskView) -> Tensor:
    """All maskable tokens of each drawn word; the word's draw is that of its first token."""
    starts = view.tokens.word_start[view.input_ids] | (view.grid.position == 0) | ~view.grid.maskable
    index = torch.arange(len(starts), device=starts.device)
    first_token = torch.where(starts, index, 0).cummax(0).values
    return view.token_is_drawn()[first_token] & view.grid.maskable
