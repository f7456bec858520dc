"""The encoder without unpadding, to measure its gain: packed tokens in, padded rows through the layers.

Letters: B sequences, S tokens of a padded row (the layout's max_seqlen), T packed tokens, Q queries, N heads, H head
width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from genomask.encoders.alibi import alibi_bias
from genomask.encoders.attention import Layout, spread_queries


def to_rows(packed: Tensor, layout: Layout) -> Tensor:
    """(T, ...) -> (B * S, ...); padding repeats some token, since nothing ever looks at it."""
    column = torch.arange(layout.max_seqlen, device=packed.device)
    place = layout.cu_seqlens[:-1, None] + column
    return packed[place.flatten().clamp(max=len(packed) - 1)]


def places_in_rows(places: Tensor, layout: Layout) -> Tensor:
    """(Q,) places among the T packed tokens -> (Q,) places among the B * S tokens of the rows."""
    sequence = layout.sequence_of(places)
    return places - layout.cu_seqlens[sequence] + sequence.long() * layout.max_seqlen


def attend_in_rows(q: Tensor, k: Tensor, v: Tensor, queries: Tensor | None, layout: Layout) -> Tensor:
    """Attention like a backend's, but with q (Q, N, H), k and v (B * S, N, H) in rows: a mask hides the padding."""
    if queries is not None:
        return attend_in_rows(spread_queries(q, queries, len(k)), k, v, None, layout).index_select(0, queries)
    if "rows" not in layout.kept:
        layout.kept["rows"] = _mask(layout, q.shape[1], q.dtype)
    q, k, v = (x.unflatten(0, (-1, layout.max_seqlen)).transpose(1, 2) for x in (q, k, v))
    mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=layout.kept["rows"])
    return mixed.transpose(1, 2).flatten(0, 1)


def _mask(layout: Layout, n_heads: int, dtype: torch.dtype) -> Tensor:
    """(B, N, S, S) added to the scores: ALiBi at real keys, the lowest number at padding (a row may be all padding)."""
    size = layout.max_seqlen
    lengths = layout.cu_seqlens.diff()
    real = torch.arange(size, device=lengths.device) < lengths[:, None]
    bias = torch.zeros(n_heads, 1, 1) if layout.slopes is None else alibi_bias(layout.slopes, size, layout.directed)
    return torch.where(real[:, None, None], bias.to(lengths.device), torch.finfo(dtype).min).to(dtype)
