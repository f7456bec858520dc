"""Attention by the plain formula over padded rows, for attention maps: packed q, k, v in, mixed values out.

The scores of all rows are held at once, B N S S numbers a layer: for maps and comparisons, not for training.
Letters: T tokens of all packed sequences, Q queries (T, or fewer), B sequences, S tokens of a padded row, N heads, H
head width.
"""

import torch
from torch import Tensor

from genomask.encoders.attention import Layout, spread_queries
from genomask.encoders.packing import Unpadding, pack, pad, unpad


def eager(
    q: Tensor, k: Tensor, v: Tensor, queries: Tensor | None, layout: Layout, maps: list[Tensor] | None = None
) -> Tensor:
    """The signature of all backends; `maps` gathers the probabilities (B, N, S, S), zeros at padding."""
    if queries is not None:
        return eager(spread_queries(q, queries, len(k)), k, v, None, layout, maps).index_select(0, queries)
    if "eager" not in layout.kept:
        layout.kept["eager"] = _grid(layout)
    rows, bias = layout.kept["eager"]
    q, k, v = (pad(x, rows).transpose(1, 2) for x in (q, k, v))
    scores = q @ k.mT * q.shape[-1] ** -0.5
    p = (scores.to(torch.promote_types(q.dtype, torch.float32)) + bias).softmax(-1).to(v.dtype)
    p = p * pad(torch.ones_like(rows.places), rows)[:, None, :, None]
    if maps is not None:
        maps.append(p)
    return pack((p @ v).transpose(1, 2), rows)


def _grid(layout: Layout) -> tuple[Unpadding, Tensor]:
    """The rows, and what is added to their scores, (B, N, S, S) or (B, 1, 1, S) float32.

    At padding it is the lowest number, not -inf: a row of padding has no key at all.
    """
    rows = layout.rows or _rows(layout)
    real = pad(torch.ones_like(rows.places, dtype=torch.bool), rows)
    hidden = torch.zeros(real.shape, device=real.device).masked_fill(~real, torch.finfo(torch.float32).min)
    if layout.slopes is None:
        return rows, hidden[:, None, None]
    place = (real.cumsum(1) - 1).clamp_min(0)
    bias = layout.bias[:, place[:, :, None], place[:, None, :]].transpose(0, 1)
    return rows, torch.where(real[:, None, None], bias, hidden[:, None, None])


def _rows(layout: Layout) -> Unpadding:
    """Packed sequences as rows padded at their ends."""
    column = torch.arange(layout.max_seqlen, device=layout.cu_seqlens.device)
    return unpad(column < layout.cu_seqlens.diff()[:, None])
