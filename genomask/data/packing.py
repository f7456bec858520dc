"""Sequences of token ids in, packed tensors out: no padding between them, and no sequence cut.

Letters: T tokens of all packed sequences, B sequences, M masked tokens.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from genomask.errors import SettingsError, counted
from genomask.types import IGNORE, PackedBatch, TokenSequences

MOST_TOKENS = 2**31 - 1
"""The most that int32 can count; attention kernels take int32."""


def pack(sequences: Sequence[np.ndarray], weights: np.ndarray | Sequence[float]) -> TokenSequences:
    """Lay B sequences of ids end to end; `weights` (B,) are their weights in the loss.

    Raises SettingsError unless there is one weight per sequence.
    """
    require_weights(weights, len(sequences))
    cu_seqlens = bounds_of([len(x) for x in sequences])
    ids = np.concatenate([np.zeros(0, dtype=np.int64), *sequences], dtype=np.int64)
    weights_B = torch.as_tensor(np.asarray(weights, dtype=np.float32))
    return TokenSequences(torch.from_numpy(ids), torch.from_numpy(cu_seqlens), weights_B)


def bounds_of(lengths: Sequence[int] | np.ndarray) -> np.ndarray:
    """(B + 1,) int32 cu_seqlens of sequences of these lengths. Raises SettingsError for more than MOST_TOKENS."""
    bounds = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    if bounds[-1] > MOST_TOKENS:
        raise SettingsError(f"{bounds[-1]:,} tokens are more than can be packed at once; give fewer sequences.")
    return bounds.astype(np.int32)


def require_weights(weights: np.ndarray | Sequence[float], n_sequences: int) -> None:
    """Raises SettingsError unless there is one weight per sequence."""
    if np.shape(weights) != (n_sequences,):
        raise SettingsError(
            f"weights of shape {np.shape(weights)} for {counted(n_sequences, 'sequence')}; give each one weight."
        )


def take(tokens: TokenSequences, part: slice) -> TokenSequences:
    """The sequences of `part` (step 1), packed by themselves; ids and weights are views."""
    start, stop, step = part.indices(len(tokens.weights))
    assert step == 1
    cu_seqlens = tokens.cu_seqlens[start : max(start, stop) + 1]
    within = slice(int(cu_seqlens[0]), int(cu_seqlens[-1]))
    bounds, beside = cu_seqlens - cu_seqlens[0], _beside(tokens, within)
    return TokenSequences(tokens.input_ids[within], bounds, tokens.weights[start:stop], *beside)


def select(tokens: TokenSequences, numbers: Tensor) -> TokenSequences:
    """The sequences with these numbers (int64, from 0), in that order, packed by themselves."""
    lengths = tokens.lengths[numbers]
    bounds = torch.nn.functional.pad(lengths.cumsum(0), (1, 0))
    moved_by = tokens.cu_seqlens[numbers] - bounds[:-1]
    places = torch.arange(int(bounds[-1])) + torch.repeat_interleave(moved_by, lengths)
    return TokenSequences(tokens.input_ids[places], bounds.int(), tokens.weights[numbers], *_beside(tokens, places))


def shortened(tokens: TokenSequences, longest: np.ndarray) -> TokenSequences:
    """Sequences of at most `longest` (B,) tokens: longer ones keep their first tokens and their last ([SEP])."""
    lengths, most = tokens.lengths, torch.from_numpy(longest)
    if not (lengths > most).any():
        return tokens
    place = torch.arange(len(tokens.input_ids)) - torch.repeat_interleave(tokens.cu_seqlens[:-1].long(), lengths)
    ends, last = (torch.repeat_interleave(each - 1, lengths) for each in (most, lengths))
    kept = (place < ends) | (place == last)
    bounds = torch.nn.functional.pad(torch.minimum(lengths, most).cumsum(0), (1, 0))
    return TokenSequences(tokens.input_ids[kept], bounds.int(), tokens.weights, *_beside(tokens, kept))


def _beside(tokens: TokenSequences, chosen: slice | Tensor) -> list[Tensor | None]:
    """What the chosen tokens have beside their ids, in the order of the fields."""
    return [None if x is None else x[chosen] for x in (tokens.token_weights, tokens.token_types)]


def split_microbatches(tokens: TokenSequences, tokens_per_microbatch: int) -> list[slice]:
    """Slices of consecutive sequences, each as long as the token budget allows; together they cover all.

    Raises SettingsError if a single sequence is over the budget.
    """
    longest = int(tokens.lengths.max()) if len(tokens.weights) else 0
    if longest > tokens_per_microbatch:
        raise SettingsError(
            f"a sequence of {longest} tokens does not fit into tokens_per_microbatch = {tokens_per_microbatch}; "
            f"set it to {longest} or more."
        )
    ends = tokens.cu_seqlens.numpy().astype(np.int64)  # int64 as the sums below, or each search would convert all
    slices, start = [], 0
    while start < len(ends) - 1:
        stop = int(ends.searchsorted(ends[start] + tokens_per_microbatch, side="right")) - 1
        slices.append(slice(start, stop))
        start = stop
    return slices


def to_batch(
    input_ids: Tensor, labels: Tensor, cu_seqlens: Tensor, weights: Tensor, *weights_of_tokens: Tensor | None
) -> PackedBatch:
    """What the encoder takes, from corrupted ids (T,) and labels (T,).

    The loss weight of a masked token is that of its sequence, in `weights` (B,), times its own `weights_of_tokens`,
    each (T,) or None if all are 1. Weights are combined here alone.
    """
    masked_index = (labels != IGNORE).nonzero().flatten()
    sequence = torch.searchsorted(cu_seqlens[1:].long(), masked_index, right=True)
    max_seqlen = int(cu_seqlens.diff().max()) if len(weights) else 0
    loss_weights = weights[sequence]
    for of_tokens in weights_of_tokens:
        if of_tokens is not None:
            loss_weights = loss_weights * of_tokens[masked_index]
    return PackedBatch(input_ids, labels, cu_seqlens, max_seqlen, masked_index, loss_weights)


def take_batch(batch: PackedBatch, part: slice) -> PackedBatch:
    """The sequences start .. stop - 1 of `part`, at least one, packed by themselves; ids and labels are views."""
    cu_seqlens = batch.cu_seqlens[part.start : part.stop + 1]
    first, last = int(cu_seqlens[0]), int(cu_seqlens[-1])
    masked = slice(*torch.searchsorted(batch.masked_index, torch.tensor([first, last])).tolist())
    max_seqlen, masked_index = int(cu_seqlens.diff().max()), batch.masked_index[masked] - first
    ids, labels = batch.input_ids[first:last], batch.labels[first:last]
    return PackedBatch(ids, labels, cu_seqlens - first, max_seqlen, masked_index, batch.loss_weights[masked])
