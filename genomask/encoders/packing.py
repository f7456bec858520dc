"""From padded to packed and back: an attention mask in, the index of its real tokens out.

Letters: B sequences, S tokens of a padded row, T real tokens of all rows.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Unpadding(NamedTuple):
    """Where the real tokens of padded rows are."""

    places: Tensor  # (T,) int64, their places in the flattened (B * S) rows
    cu_seqlens: Tensor  # (B + 1,) int32
    max_seqlen: int
    shape: tuple[int, int]  # (B, S)


def unpad(attention_mask: Tensor) -> Unpadding:
    """Find the tokens whose mask is not 0, row by row; padding may stand on either side."""
    real = attention_mask != 0
    lengths = real.sum(1, dtype=torch.int32)
    cu_seqlens = F.pad(lengths.cumsum(0, dtype=torch.int32), (1, 0))
    places = real.flatten().nonzero().squeeze(1)
    return Unpadding(places, cu_seqlens, int(lengths.max()) if len(lengths) else 0, (real.shape[0], real.shape[1]))


def pack(rows: Tensor, unpadding: Unpadding) -> Tensor:
    """(B, S, ...) -> (T, ...): the real tokens end to end."""
    return rows.flatten(0, 1).index_select(0, unpadding.places)


def pad(packed: Tensor, unpadding: Unpadding) -> Tensor:
    """(T, ...) -> (B, S, ...), zeros where there was padding."""
    rows, columns = unpadding.shape
    flat = packed.new_zeros(rows * columns, *packed.shape[1:])
    return flat.index_copy(0, unpadding.places, packed).unflatten(0, (rows, columns))
