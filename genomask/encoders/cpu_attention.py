"""Attention on the CPU with explicit scores, for short sequences: packed q, k, v in, mixed values out.

Letters: T tokens of all packed sequences, Q queries (T, or fewer), N heads, H head width, b sequences of one group,
each of m queries and n keys.

PyTorch's own CPU kernel is faster without a backward pass, and as fast with one if no key is far. Under ALiBi it
spends most of its backward pass on denormal numbers: the probabilities of far keys lie near 1e-40, and their products
take processors a hundred times as long. Here they are exactly 0 before they enter any product, forward or backward,
and so is everything that the backward pass derives from them. The price: the probabilities are kept for the backward
pass.

Where bf16 is asked for, short sequences are still multiplied in float32: for bf16 oneDNN compiles a kernel for every
new pair of lengths, which takes longer than the products of a short sequence, and half a megabyte.
"""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from genomask.encoders.attention import Layout
from genomask.errors import SettingsError
from genomask.machine import processor as hardware

LONGEST_IN_FLOAT32 = 256
"""Most keys of a sequence that is multiplied in float32 although bf16 is asked for."""

SCORES_AT_ONCE = 2**20
"""Neighbours of equal length share a product of at most this many scores, about a cacheful."""


class Group(NamedTuple):
    """Neighbouring sequences of equal length, and where they lie among the queries and the keys."""

    b: int
    m: int
    n: int
    queries: slice
    keys: slice

    def type_of_products(self, asked: torch.dtype) -> torch.dtype:
        """The type asked for, or float32 where bf16, emulated or not, is slower."""
        is_slow = self.n <= LONGEST_IN_FLOAT32 or not hardware.multiplies_in_bf16()
        return torch.float32 if asked == torch.bfloat16 and is_slow else asked

    def heads_first(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        """(b * m, N, H), or n instead of m -> (b * N, m, H)."""
        if self.b == 1:  # the same with fewer views, three of which take as long as a short sequence's product
            return x.transpose(0, 1).to(dtype)
        return x.unflatten(0, (self.b, -1)).transpose(1, 2).to(dtype).flatten(0, 1)

    def put(self, target: Tensor, x: Tensor) -> None:
        """Write x (b * N, m, H), or n instead of m, into target (b * m, N, H)."""
        if self.b == 1:
            target.transpose(0, 1).copy_(x)
        else:
            target.unflatten(0, (self.b, -1)).transpose(1, 2).copy_(x.unflatten(0, (self.b, -1)))


def grouped(counts: list[int], lengths: list[int], n_heads: int) -> list[Group]:
    """Sequences of `counts` queries and `lengths` keys -> groups computed at once; those without queries drop out."""
    groups: list[Group] = []
    query = key = 0
    for m, n in zip(counts, lengths, strict=True):
        queries, keys = slice(query, query + m), slice(key, key + n)
        query, key = queries.stop, keys.stop
        last = groups[-1] if groups and groups[-1].keys.stop == keys.start else None
        if last and (last.m, last.n) == (m, n) and (last.b + 1) * n_heads * m * n <= SCORES_AT_ONCE:
            groups[-1] = Group(last.b + 1, m, n, slice(last.queries.start, query), slice(last.keys.start, key))
        elif m > 0:
            groups.append(Group(1, m, n, queries, keys))
    return groups


class ShortAttention(torch.autograd.Function):
    """softmax(q k^T / sqrt(H) + bias) v within each sequence, with a backward pass of its own."""

    @staticmethod
    @torch.autocast("cpu", enabled=False)  # each group chooses the type of its products
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, queries: Tensor | None, layout: Layout) -> Tensor:
        """The signature of all backends."""
        counts, rows = (layout.lengths, None) if queries is None else places(queries, layout)
        ctx.groups = grouped(counts, layout.lengths, q.shape[1])
        out, kept = q.new_empty(q.shape), []
        for group in ctx.groups:
            p = _probabilities(group, q, k, _bias(group, rows, layout))
            group.put(out[group.queries], torch.bmm(p, group.heads_first(v[group.keys], p.dtype)))
            if any(ctx.needs_input_grad):
                kept.append(p)
        ctx.save_for_backward(q, k, v, *kept)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        """Gradients of q, k and v; keys of a sequence without queries have none.

        SettingsError if they are to be differentiated: PyTorch's once_differentiable raises only in
        loss.backward(), and lets autograd.grad leave out everything behind this function.
        """
        if torch.is_grad_enabled() and not torch.compiler.is_compiling():
            raise SettingsError(
                "attention on a CPU has no second derivatives (create_graph=True); open the model with "
                'attn_implementation="eager", the plain formula, which has them'
            )
        q, k, v, *kept = ctx.saved_tensors
        dq, dk, dv = q.new_empty(q.shape), k.new_zeros(k.shape), v.new_zeros(v.shape)
        for group, p in zip(ctx.groups, kept, strict=True):
            g, q_group = (group.heads_first(x[group.queries], p.dtype) for x in (grad, q))
            k_group, v_group = (group.heads_first(x[group.keys], p.dtype) for x in (k, v))
            ds = torch.bmm(g, v_group.mT)
            torch._softmax_backward_data(ds, p, -1, p.dtype, grad_input=ds)
            group.put(dq[group.queries], torch.bmm(ds, k_group))
            group.put(dk[group.keys], torch.bmm(ds.mT, q_group))
            group.put(dv[group.keys], torch.bmm(p.mT, g))
        scale = q.shape[-1] ** -0.5
        return dq.mul_(scale), dk.mul_(scale), dv, None, None


def places(queries: Tensor, layout: Layout) -> tuple[list[int], Tensor]:
    """Number of queries in each sequence, and (Q,) the place of each query in its sequence."""
    sequence = layout.sequence_of(queries)
    counts = torch.bincount(sequence, minlength=len(layout.lengths)).tolist()
    return counts, queries - layout.cu_seqlens[sequence]


def _bias(group: Group, rows: Tensor | None, layout: Layout) -> Tensor | None:
    """(b * N, m, n): what is added to the scores, of all queries or of those at `rows`."""
    if layout.slopes is None:
        return None
    if rows is None:
        bias = layout.bias[:, : group.n, : group.n].expand(group.b, -1, -1, -1)
    else:
        bias = layout.bias[:, rows[group.queries].view(group.b, group.m), : group.n].transpose(0, 1)
    return bias.flatten(0, 1)


def _probabilities(group: Group, q: Tensor, k: Tensor, bias: Tensor | None) -> Tensor:
    """(b * N, m, n): softmax of the scores, with 0 for what is `least_probability` or less.

    The limit is the same for every row, so that no sequence changes a bit of another's values or gradients.
    """
    dtype = group.type_of_products(q.dtype)
    q_group, k_group = group.heads_first(q[group.queries], dtype), group.heads_first(k[group.keys], dtype)
    scale = q.shape[-1] ** -0.5
    if bias is None:
        p = q_group.new_empty(len(q_group), group.m, group.n).baddbmm_(q_group, k_group.mT, beta=0, alpha=scale)
        return torch.softmax(p, -1, out=p)
    p = torch.baddbmm(bias.to(dtype), q_group, k_group.mT, alpha=scale)
    torch.softmax(p, -1, out=p)
    return F.threshold(p, least_probability(q.dtype), 0.0, inplace=True)


def least_probability(dtype: torch.dtype) -> float:
    """eps squared of the type that sums are computed in: beside a row's sum, which is 1, it is lost."""
    return torch.finfo(torch.promote_types(dtype, torch.float32)).eps ** 2
