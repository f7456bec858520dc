"""The backend `sdpa`, for any device: PyTorch's own attention, or explicit scores to train on short sequences on a CPU.

Letters: T tokens of all packed sequences, Q queries (T, or fewer), N heads, H head width, b sequences of one run, each
of m queries and n tokens.
"""

from itertools import groupby

import torch
import torch.nn.functional as F
from torch import Tensor

from genomask.encoders.alibi import alibi_line
from genomask.encoders.attention import Layout, spread_queries
from genomask.encoders.cpu_attention import ShortAttention, places

LONGEST_SHORT = 1024
"""Most tokens of a sequence whose probabilities the CPU keeps, N * n numbers a token and layer."""


def sdpa(q: Tensor, k: Tensor, v: Tensor, queries: Tensor | None, layout: Layout) -> Tensor:
    """The attention that suits the device and the longest sequence of the batch."""
    if q.device.type != "cpu":
        return in_runs(q, k, v, queries, layout)
    if max(layout.lengths, default=0) > LONGEST_SHORT:
        return long_attention(q, k, v, queries, layout)
    # bf16 keeps explicit scores, which multiply short sequences in float32: in_runs was not measured with bf16 units.
    if q.dtype == torch.bfloat16 or any(x.requires_grad for x in (q, k, v)):
        return ShortAttention.apply(q, k, v, queries, layout)
    return in_runs(q, k, v, queries, layout)


def in_runs(q: Tensor, k: Tensor, v: Tensor, queries: Tensor | None, layout: Layout) -> Tensor:
    """PyTorch's scaled_dot_product_attention, one call for each run of neighbours of equal length.

    q, k and v are cut with `split`: slicing would cost a T-sized gradient of zeros for every sequence.
    """
    counts, rows = (layout.lengths, None) if queries is None else places(queries, layout)
    runs = [(m, n, len(list(run))) for (m, n), run in groupby(zip(counts, layout.lengths, strict=True))]
    q_sizes, k_sizes = [m * b for m, _, b in runs], [n * b for _, n, b in runs]
    row_pieces = [None] * len(runs) if rows is None else rows.split(q_sizes)
    pieces = zip(runs, q.split(q_sizes), k.split(k_sizes), v.split(k_sizes), row_pieces, strict=True)
    mixed = []
    for (m, n, b), q_run, k_run, v_run, at in pieces:
        if m > 0:
            q_run, k_run, v_run = (x.unflatten(0, (b, -1)) for x in (q_run, k_run, v_run))
            mixed.append(_attend(q_run, k_run, v_run, _bias(layout, at, m, n, q.dtype)).flatten(0, 1))
    return torch.cat(mixed)


def _bias(layout: Layout, rows: Tensor | None, m: int, n: int, dtype: torch.dtype) -> Tensor | None:
    """What is added to the scores of m queries by n keys: (N, n, n) for all queries, else (b, N, m, n)."""
    if layout.slopes is None:
        return None
    if rows is None:
        return layout.bias[:, :n, :n].to(dtype)
    return layout.bias[:, rows.view(-1, m), :n].transpose(0, 1).to(dtype)


def long_attention(q: Tensor, k: Tensor, v: Tensor, queries: Tensor | None, layout: Layout) -> Tensor:
    """PyTorch's CPU kernel, which never holds all scores of a sequence, with a bias that takes no memory.

    With the last query first, bias[i, j] = -slope |n - 1 - i - j| depends on i + j alone: every row of the table is the
    one above it shifted left by one, so the table is a view of one line.
    """
    if queries is not None:
        return long_attention(spread_queries(q, queries, len(k)), k, v, None, layout).index_select(0, queries)
    mixed = []
    for q_one, k_one, v_one in zip(*(x.split(layout.lengths) for x in (q, k, v)), strict=True):
        n = len(q_one)
        if n == 0:
            continue
        bias = None
        if layout.slopes is not None:
            bias = alibi_line(layout.slopes, n, layout.directed).to(q.dtype).unfold(1, n, 1)
        mixed.append(_attend(q_one.flip(0)[None], k_one[None], v_one[None], bias)[0].flip(0))
    return torch.cat(mixed)


def _attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None) -> Tensor:
    """q (b, m, N, H), k and v (b, n, N, H), bias (N, m, n) or (b, N, m, n) -> (b, m, N, H)."""
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    if bias is not None and bias.dim() == 3:
        bias = bias.expand(len(q), -1, -1, -1)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias).transpose(1, 2)
