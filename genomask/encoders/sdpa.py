"""The backend `sdpa`: PyTorch's own attention, on every device, one call for each run of equal lengths.

Letters: T tokens of all packed sequences, Q queries (T, or fewer), N heads, H head width, b sequences of one run, each
of m queries and n tokens.
"""

from itertools import groupby

import torch
import torch.nn.functional as F
from torch import Tensor

from genomask.encoders.attention import Layout


def sdpa(q: Tensor, k: Tensor, v: Tensor, queries: Tensor | None, layout: Layout) -> Tensor:
    """PyTorch's scaled_dot_product_attention, one call for each run of neighbours of equal length.

    q, k and v are cut with `split`: slicing would cost a T-sized gradient of zeros for every sequence.
    """
    counts, rows = (layout.lengths, None) if queries is None else _places(queries, layout)
    runs = [(m, n, len(list(run))) for (m, n), run in groupby(zip(counts, layout.lengths, strict=True))]
    q_sizes, k_sizes = [m * b for m, _, b in runs], [n * b for _, n, b in runs]
    row_pieces = [None] * len(runs) if rows is None else rows.split(q_sizes)
    pieces = zip(runs, q.split(q_sizes), k.split(k_sizes), v.split(k_sizes), row_pieces, strict=True)
    mixed = []
    for (m, n, b), q_run, k_run, v_run, at in pieces:
        if m > 0:
            q_run, k_run, v_run = (x.unflatten(0, (b, -1)) for x in (q_run, k_run, v_run))
            mixed.append(_equal_lengths(q_run, k_run, v_run, _bias(layout, at, m, n, q.dtype)))
    return torch.cat(mixed)


def _places(queries: Tensor, layout: Layout) -> tuple[list[int], Tensor]:
    """Number of queries in each sequence, and (Q,) the place of each within its own."""
    sequence = torch.bucketize(queries, layout.cu_seqlens[1:], right=True)
    counts = torch.bincount(sequence, minlength=len(layout.lengths)).tolist()
    return counts, queries - layout.cu_seqlens[sequence]


def _bias(layout: Layout, rows: Tensor | None, m: int, n: int, dtype: torch.dtype) -> Tensor | None:
    """What is added to the scores of m queries by n keys: (N, n, n) for all queries, else (b, N, m, n)."""
    if layout.slopes is None:
        return None
    if rows is None:
        return layout.bias[:, :n, :n].to(dtype)
    return layout.bias[:, rows.view(-1, m), :n].transpose(0, 1).to(dtype)


def _equal_lengths(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None) -> Tensor:
    """q (b, m, N, H), k and v (b, n, N, H) -> (b * m, N, H)."""
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    if bias is not None and bias.dim() == 3:
        bias = bias.expand(len(q), -1, -1, -1)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias).transpose(1, 2).flatten(0, 1)
