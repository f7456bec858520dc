"""The backend `flex`: PyTorch's FlexAttention, compiled to one kernel with ALiBi and the borders of sequences inside.

No table of scores is held at any length. Needs CUDA and Triton, which comes with PyTorch on Linux.
Letters: T tokens of all packed sequences, Q queries (T, or fewer), N heads, H head width.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention.flex_attention import BlockMask, flex_attention

from genomask.encoders.attention import Layout
from genomask.encoders.block_mask import block_mask, to_whole_blocks

NARROWEST = 16
"""Least head width of the kernel; narrower heads are padded with zeros, which add nothing to a product."""
VARIANTS = 64
"""Kernels that may be compiled side by side: with and without gradient, for all queries and for some, and the like."""


def flex(q: Tensor, k: Tensor, v: Tensor, queries: Tensor | None, layout: Layout) -> Tensor:
    """FlexAttention over the whole pack; blocks of scores between two sequences are never computed."""
    mask = mask_of(queries, layout, len(k))
    width = q.shape[-1]
    q, k, v = (x.transpose(0, 1)[None] for x in (q, k, v))
    if width < NARROWEST:  # otherwise `pad` would still copy
        q, k, v = (F.pad(x, (0, NARROWEST - width)) for x in (q, k, v))
    # a compiled model takes the kernel into its own graph; setting the compiler's limits there would recompile it
    attend: Any = flex_attention if torch.compiler.is_compiling() else kernel()
    mixed: Tensor = attend(q, k, v, score_mod=_alibi(queries, layout.slopes), block_mask=mask, scale=width**-0.5)
    return mixed[0, ..., :width].transpose(0, 1)


def mask_of(queries: Tensor | None, layout: Layout, n_keys: int) -> BlockMask:
    """The mask of these queries; that of all tokens is made once for all layers."""
    if queries is not None:
        return block_mask(layout, queries, n_keys)
    if "flex" not in layout.kept:
        places = torch.arange(n_keys, device=layout.cu_seqlens.device)
        layout.kept["flex"] = block_mask(layout, places, n_keys)
    return layout.kept["flex"]


def _alibi(queries: Tensor | None, slopes: Tensor | None) -> Callable[..., Tensor] | None:
    """-slope |i - j| in FlexAttention's form; distances are integers, the slopes float32."""
    if slopes is None:
        return None
    places = None if queries is None else to_whole_blocks(queries.int())

    def add_bias(score: Tensor, batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        place = query if places is None else places[query]
        return score - slopes[head] * (place - key).abs()

    return add_bias


@cache
def kernel() -> Callable[..., Tensor]:
    """FlexAttention compiled on its own, for models that are not compiled.

    fullgraph: more variants than allowed are an error, never a silent fallback to the uncompiled T x T scores.
    """
    torch._dynamo.config.recompile_limit = max(VARIANTS, torch._dynamo.config.recompile_limit)
    return torch.compile(flex_attention, fullgraph=True)
