import pytest
import torch
from reference import reference_attention

from genomask.encoders.alibi import alibi_slopes
from genomask.encoders.attention import Layout
from genomask.encoders.backends import choose_backend
from genomask.encoders.sdpa import sdpa
from genomask.errors import SettingsError

LENGTHS = [[7], [1, 5, 3], [6, 6, 6, 2, 0, 2], [64, 1, 129]]


def packed_qkv(lengths, heads=4, width=16):
    generator = torch.Generator().manual_seed(0)
    cu_seqlens = torch.tensor([0, *lengths]).cumsum(0).int()
    q, k, v = torch.randn(3, sum(lengths), heads, width, generator=generator, dtype=torch.float64)
    return q, k, v, cu_seqlens


def layout_of(cu_seqlens, heads, positions="alibi"):
    slopes = None if positions == "learned" else torch.tensor(alibi_slopes(heads))
    return Layout(cu_seqlens, int(cu_seqlens.diff().max()), slopes, positions == "alibi-directed")


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


def test_auto_picks_what_runs_and_an_unknown_backend_is_refused_by_name():
    assert choose_backend("auto", torch.device("cpu")) == "sdpa"
    with pytest.raises(SettingsError, match="'flash' is not available on cpu; use one of: auto, sdpa"):
        choose_backend("flash", torch.device("cpu"))
