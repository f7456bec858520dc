"""A synthetic batch, for trials of speed and memory: sequences of the greatest length, evenly masked."""

import torch

from genomask.types import IGNORE, PackedBatch


def made_batch(vocab_size: int, tokens: int, longest: int, masked: int) -> PackedBatch:
    """`tokens` tokens in sequences of `longest`, of which the last may be shorter, with `masked` of them masked."""
    ids = torch.arange(tokens) % vocab_size
    places = torch.arange(masked) * tokens // masked
    labels = torch.full_like(ids, IGNORE).index_copy(0, places, ids[places])
    bounds = torch.arange(0, tokens + longest, longest, dtype=torch.int32).clamp(max=tokens)
    return PackedBatch(ids, labels, bounds, longest, places, torch.ones(masked))
