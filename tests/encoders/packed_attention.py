"""Packed q, k, v and layouts for the tests of the attention backends."""

import torch
from reference import reference_attention

from genomask.encoders.alibi import alibi_slopes
from genomask.encoders.attention import Layout

POSITIONS = ("alibi", "alibi-directed", "learned")


def packed_qkv(lengths, heads=4, width=16):
    generator = torch.Generator().manual_seed(0)
    cu_seqlens = torch.tensor([0, *lengths]).cumsum(0).int()
    q, k, v = torch.randn(3, sum(lengths), heads, width, generator=generator, dtype=torch.float64)
    return q, k, v, cu_seqlens


def layout_of(cu_seqlens, heads, positions="alibi"):
    slopes = None if positions == "learned" else alibi_slopes(heads)
    return Layout(cu_seqlens, int(cu_seqlens.diff().max()), slopes, positions == "alibi-directed")


def some_queries(n_tokens, fraction=0.3):
    """Ascending places, then the last one three times more, like the padding of a batch of fixed size."""
    chosen = torch.rand(n_tokens, generator=torch.Generator().manual_seed(1)).lt(fraction).nonzero().squeeze(1)
    return torch.cat([chosen, torch.full((3,), n_tokens - 1)])


def assert_values_and_gradients_are_the_twins(backend, lengths, positions, heads, width=16):
    """In float64, for all queries and for some."""
    q, k, v, cu_seqlens = packed_qkv(lengths, heads, width)
    for x in (q, k, v):
        x.requires_grad_()
    exact = reference_attention(q, k, v, cu_seqlens, positions)
    layout = layout_of(cu_seqlens, heads, positions)
    queries = some_queries(len(q))
    for ours, wanted in (
        (backend(q, k, v, None, layout), exact),
        (backend(q[queries], k, v, queries, layout), exact[queries]),
    ):
        assert torch.allclose(ours, wanted, atol=1e-12)
        gradients, expected = (torch.autograd.grad(x.sin().sum(), (q, k, v), retain_graph=True) for x in (ours, wanted))
        assert all(torch.allclose(a, b, atol=1e-12) for a, b in zip(gradients, expected, strict=True))
