"""The matrix products of a training step, counted: an encoder's config and a packed batch in, FLOPs out.

Letters: T tokens, M masked tokens, D width, L layers, V rows of the vocabulary.
"""

import torch
from torch import Tensor

from genomask.encoders.config import MosaicBertConfig
from genomask.types import PackedBatch


def training_flops(config: MosaicBertConfig, batch: PackedBatch) -> int:
    """FLOPs of the products that a forward and a backward pass over the batch execute, for the masked-token loss.

    Nothing is computed for padding; in the last layer, queries, output and MLP are computed for masked tokens only, and
    so is the head (without the switches `unpadding` and `head_on_masked_only`: for everything). A product is 2 FLOPs
    for each pair of numbers multiplied, and backward takes two for each one in forward. As usual, what a kernel
    recomputes in backward is left out (Chowdhery et al., PaLM, 2022, appendix B).
    """
    lengths, masked = _shape(config, batch)
    width, tokens, n_masked = config.hidden_size, int(lengths.sum()), int(masked.sum())
    mlp = (3 if config.mlp == "glu" else 2) * width * config.intermediate_size
    after = width * width + mlp  # weights after attention: its output projection and the MLP
    layer = tokens * (3 * width * width + after) + 2 * width * int((lengths * lengths).sum())
    keys_and_values = tokens * 2 * width * width
    # padded rows cannot attend from some tokens only: all queries are computed there
    pairs = int((masked * lengths).sum()) if config.unpadding else int((lengths * lengths).sum())
    last = keys_and_values + n_masked * (width * width + after) + 2 * width * pairs
    if not config.head_on_masked_only:
        last = layer
    scored = n_masked if config.head_on_masked_only else len(batch.input_ids)
    head = scored * (width * width + width * config.padded_vocab_size)
    return 3 * 2 * ((config.num_hidden_layers - 1) * layer + last + head)


def _shape(config: MosaicBertConfig, batch: PackedBatch) -> tuple[Tensor, Tensor]:
    """Tokens computed for each sequence, and how many are masked; if none is, the very first token counts as masked."""
    lengths = batch.cu_seqlens.diff().long()
    masked_index = batch.masked_index if len(batch.masked_index) else batch.masked_index.new_zeros(1)
    sequence = torch.searchsorted(batch.cu_seqlens[1:].long(), masked_index, right=True)
    masked = torch.bincount(sequence, minlength=len(lengths))
    return lengths if config.unpadding else torch.full_like(lengths, batch.max_seqlen), masked
