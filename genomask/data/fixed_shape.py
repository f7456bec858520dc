"""Batches of one fixed shape, for a compiled model: packed batches in, the same sequences in batches of that shape out.

Letters: T tokens, B sequences, M masked tokens of a batch.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from genomask.data.packing import take_batch
from genomask.errors import SettingsError
from genomask.types import IGNORE, PackedBatch

SPARE = 2
"""Room for this many times the expected sequences of a batch: an entry of cu_seqlens costs little, but a batch that is
split for lack of one is filled up with padding."""

SPAN, DEVIATIONS = 11, 3
"""Room for masked tokens: this many standard deviations above the mean, of spans of this many tokens."""

WHOLE = 128
"""Tokens, and masked tokens, are multiples of this."""


class Expected(NamedTuple):
    """The part of a step that a process gets; few steps exceed it."""

    tokens: int
    sequences: int
    masked_fraction: float


@dataclass(frozen=True)
class BatchShape:
    """What every batch is filled up to."""

    tokens: int
    sequences: int
    masked: int
    longest: int

    @classmethod
    def of(cls, expected: Expected, longest: int, most_tokens: int) -> "BatchShape":
        """For what is expected, split evenly into the fewest batches of up to `most_tokens` that surely hold it.

        `longest` is that of any sequence. The part of a process may be much less than `most_tokens`: it shrinks as
        processes are added.
        """
        n_batches = 1 if expected.tokens <= most_tokens else -(-expected.tokens // max(1, most_tokens - longest))
        tokens = expected.tokens if n_batches == 1 else expected.tokens // n_batches + longest
        tokens = max(longest, min(_whole(tokens), most_tokens))
        sequences = SPARE * -(-expected.sequences // n_batches) + -(-tokens // longest)
        return cls(tokens, sequences, masked_room(tokens, longest, expected.masked_fraction), longest)


def masked_room(tokens: int, longest: int, masked_fraction: float) -> int:
    """Masked tokens that few batches exceed; at least as many as a fully masked sequence has."""
    mean = tokens * masked_fraction
    return _whole(max(longest, int(mean + DEVIATIONS * (SPAN * mean) ** 0.5)))


def _whole(tokens: int) -> int:
    return WHOLE * -(-tokens // WHOLE)


def to_fixed_shape(batch: PackedBatch, shape: BatchShape) -> list[PackedBatch]:
    """The batch filled up to `shape`, or first split between sequences if it is over a budget; nothing is cut off.

    The tokens left over become sequences of padding; masked_index is filled with the last token, at weight 0.
    Raises SettingsError for a sequence longer than the shape allows.
    """
    lengths = batch.cu_seqlens.diff()
    if len(lengths) and int(lengths.max()) > shape.longest:
        raise SettingsError(
            f"a sequence of {int(lengths.max())} tokens is longer than the {shape.longest} that batches of a fixed "
            "shape have room for; raise the recipe's max_tokens, or set training.compile=off"
        )
    return [_filled(piece, shape) for piece in _within_budgets(batch, shape)]


def _within_budgets(batch: PackedBatch, shape: BatchShape) -> list[PackedBatch]:
    """Pieces of consecutive sequences, each as long as the budgets allow."""
    ends = batch.cu_seqlens.numpy()
    masked = np.searchsorted(batch.masked_index.numpy(), ends)  # masked tokens before each border
    pieces, start = [], 0
    while start < len(ends) - 1:
        tokens, sequences = ends[start + 1 :] - ends[start], np.arange(1, len(ends) - start)
        fits = (
            (tokens <= shape.tokens)
            & (masked[start + 1 :] - masked[start] <= shape.masked)
            & (sequences + _paddings(tokens, shape) <= shape.sequences)
        )
        stop = start + int(fits.cumprod().sum())
        assert stop > start, "a sequence fits into every budget"
        pieces.append(take_batch(batch, slice(start, stop)))
        start = stop
    return pieces


def _paddings(tokens: np.ndarray, shape: BatchShape) -> np.ndarray:
    """Sequences of padding beside `tokens` real tokens; none is longer than the longest real one."""
    return -(-(shape.tokens - tokens) // shape.longest)


def _filled(batch: PackedBatch, shape: BatchShape) -> PackedBatch:
    """A batch within the budgets, filled up."""
    tokens, masked = len(batch.input_ids), len(batch.masked_index)
    borders = torch.arange(tokens, shape.tokens + shape.longest, shape.longest).clamp(max=shape.tokens)
    cu_seqlens = torch.cat([batch.cu_seqlens, borders[1:].int()])
    more_tokens, more_masked = (0, shape.tokens - tokens), (0, shape.masked - masked)
    return PackedBatch(
        F.pad(batch.input_ids, more_tokens),
        F.pad(batch.labels, more_tokens, value=IGNORE),
        F.pad(cu_seqlens, (0, shape.sequences + 1 - len(cu_seqlens)), value=shape.tokens),
        shape.longest,
        F.pad(batch.masked_index, more_masked, value=shape.tokens - 1),
        F.pad(batch.loss_weights, more_masked),
    )
