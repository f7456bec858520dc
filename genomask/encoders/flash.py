"""The backend `flash`: flash-attn 2 on packed tokens, with ALiBi inside the kernel. CUDA, bf16 or fp16.

Letters: T tokens of all packed sequences, Q queries (T, or fewer), N heads, H head width.
"""

from functools import partial

import torch
from torch import Tensor

from genomask.encoders.attention import Layout, spread_queries

LEFT, RIGHT = (-1, 0), (0, -1)
"""How far a query sees to its left and right; -1: to the end."""


def flash(q: Tensor, k: Tensor, v: Tensor, queries: Tensor | None, layout: Layout) -> Tensor:
    """flash-attn's varlen kernel; its bias is -slope |i - j| for slopes passed positive in float32.

    With fewer queries than keys its bias would shift, so all T queries are computed and those asked for are taken.
    """
    if queries is not None:
        return flash(spread_queries(q, queries, len(k)), k, v, None, layout).index_select(0, queries)
    if not layout.directed:
        return _varlen(q, k, v, layout.slopes, layout)
    left, right = _every_other(0, LEFT, q, k, v, layout), _every_other(1, RIGHT, q, k, v, layout)
    heads = torch.arange(q.shape[1], device=q.device)
    return torch.cat([left, right], 1).index_select(1, heads // 2 + heads % 2 * left.shape[1])


def _every_other(first: int, window: tuple[int, int], q: Tensor, k: Tensor, v: Tensor, layout: Layout) -> Tensor:
    """Only the heads first, first + 2 ..., looking to one side."""
    assert layout.slopes is not None
    q, k, v = (x[:, first::2] for x in (q, k, v))
    return _varlen(q, k, v, layout.slopes[first::2].contiguous(), layout, window_size=window)


def _varlen(
    q: Tensor, k: Tensor, v: Tensor, slopes: Tensor | None, layout: Layout, **window: tuple[int, int]
) -> Tensor:
    """flash-attn's function over the layout's sequences."""
    from flash_attn import flash_attn_varlen_func  # an extra, installed only on CUDA machines

    run = partial(flash_attn_varlen_func, alibi_slopes=slopes, causal=False, **window)
    borders, longest = layout.cu_seqlens, layout.max_seqlen
    return run(q, k, v, cu_seqlens_q=borders, cu_seqlens_k=borders, max_seqlen_q=longest, max_seqlen_k=longest)
