import pytest
import torch
from packed_attention import layout_of, packed_qkv
from reference import reference_attention

from genomask.encoders.sdpa import sdpa

LENGTHS = [[7], [1, 5, 3], [6, 6, 6, 2, 0, 2], [64, 1, 129]]


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@pytest.mark.parametrize("heads", [4, 6])
@pytest.mark.parametrize("positions", ["alibi", "alibi-directed", "learned"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_sdpa_errs_at_most_twice_as_much_as_the_plain_formula(lengths, heads, positions, dtype):
    q, k, v, cu_seqlens = packed_qkv(lengths, heads)
    exact = reference_attention(q, k, v, cu_seqlens, positions)
    q, k, v = (x.to(dtype) for x in (q, k, v))
    plain_error = (reference_attention(q, k, v, cu_seqlens, positions) - exact).abs().max()
    ours = sdpa(q, k, v, None, layout_of(cu_seqlens, heads, positions))
    assert (ours - exact).abs().max() <= 2 * plain_error + 1e-6


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
def test_some_queries_get_the_same_values_and_gradients_as_all(lengths):
    q, k, v, cu_seqlens = packed_qkv(lengths)
    queries = torch.rand(len(q), generator=torch.Generator().manual_seed(1)).lt(0.4).nonzero().squeeze(1)
    queries = queries if len(queries) else torch.tensor([0])
    layout = layout_of(cu_seqlens, 4, "alibi-directed")
    for x in (q, k, v):
        x.requires_grad_()
    everything = sdpa(q, k, v, None, layout)[queries]
    some = sdpa(q[queries], k, v, queries, layout)
    assert torch.allclose(some, everything, atol=1e-12)
    for ours, full in zip(
        torch.autograd.grad(some.sin().sum(), (q, k, v)),
        torch.autograd.grad(everything.sin().sum(), (q, k, v)),
        strict=True,
    ):
        assert torch.allclose(ours, full, atol=1e-12)


def test_gradients_are_those_of_the_plain_formula():
    q, k, v, cu_seqlens = packed_qkv([3, 9, 9, 4])
    for x in (q, k, v):
        x.requires_grad_()
    plain = torch.autograd.grad(reference_attention(q, k, v, cu_seqlens).sin().sum(), (q, k, v))
    ours = torch.autograd.grad(sdpa(q, k, v, None, layout_of(cu_seqlens, 4)).sin().sum(), (q, k, v))
    assert all(torch.allclose(a, b, atol=1e-12) for a, b in zip(ours, plain, strict=True))
