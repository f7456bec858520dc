import pytest
import torch
from packed_attention import POSITIONS, layout_of, packed_qkv, some_queries
from reference import reference_attention
from tiny_encoders import tiny_model

from genomask.encoders.cpu_attention import LONGEST_IN_FLOAT32, SCORES_AT_ONCE, ShortAttention, grouped
from genomask.encoders.eager import eager
from genomask.encoders.sdpa import LONGEST_SHORT, in_runs, long_attention, sdpa
from genomask.errors import SettingsError

pytestmark = pytest.mark.processor

LENGTHS = [[7], [1, 5, 3], [6, 6, 6, 2, 0, 2], [64, 1, 129]]
WAYS = {"short": ShortAttention.apply, "long": long_attention, "runs": in_runs, "eager": eager}


def gradients(attend, q, k, v, queries, layout):
    q, k, v = (x.detach().requires_grad_() for x in (q, k, v))
    return torch.autograd.grad(attend(q, k, v, queries, layout).sin().sum(), (q, k, v))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@pytest.mark.parametrize("heads", [4, 6])
@pytest.mark.parametrize("positions", POSITIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_sdpa_errs_at_most_twice_as_much_as_the_plain_formula(way, lengths, heads, positions, dtype):
    q, k, v, cu_seqlens = packed_qkv(lengths, heads)
    exact = reference_attention(q, k, v, cu_seqlens, positions)
    q, k, v = (x.to(dtype) for x in (q, k, v))
    plain_error = (reference_attention(q, k, v, cu_seqlens, positions) - exact).abs().max()
    ours = WAYS[way](q, k, v, None, layout_of(cu_seqlens, heads, positions))
    assert (ours - exact).abs().max() <= 2 * plain_error + 1e-6


@pytest.mark.parametrize("has_units", [False, True])
def test_bf16_attention_is_float32_rounded_once_if_short_or_without_bf16_units(bf16_units, has_units):
    bf16_units(has_units)
    of_length = []
    for length in (40, LONGEST_IN_FLOAT32, LONGEST_IN_FLOAT32 + 1):
        q, k, v, cu_seqlens = packed_qkv([length])
        q, k, v = (x.bfloat16() for x in (q, k, v))
        layout = layout_of(cu_seqlens, 4, "alibi")
        exact = ShortAttention.apply(q.float(), k.float(), v.float(), None, layout)
        with torch.autocast("cpu", torch.bfloat16):
            asked_for = sdpa(q, k, v, None, layout)
        assert asked_for.dtype == torch.bfloat16
        of_length.append(asked_for.equal(exact.bfloat16()))
    assert of_length == [True, True, not has_units]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("positions", POSITIONS)
@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
def test_some_queries_get_the_same_values_and_gradients_as_all(way, positions, lengths):
    q, k, v, cu_seqlens = packed_qkv(lengths)
    queries = some_queries(len(q))
    layout = layout_of(cu_seqlens, 4, positions)

    def some(q, k, v, queries, layout):
        return WAYS[way](q[queries], k, v, queries, layout)

    def some_of_all(q, k, v, queries, layout):
        return WAYS[way](q, k, v, None, layout)[queries]

    assert torch.allclose(some(q, k, v, queries, layout), some_of_all(q, k, v, queries, layout), atol=1e-12)
    pairs = zip(
        gradients(some, q, k, v, queries, layout), gradients(some_of_all, q, k, v, queries, layout), strict=True
    )
    assert all(torch.allclose(ours, full, atol=1e-12) for ours, full in pairs)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("positions", POSITIONS)
@pytest.mark.parametrize("lengths", [[3, 9, 9, 4], [0, 2, 2, 2, 11, 0]], ids=str)
def test_gradients_are_those_of_the_plain_formula(way, positions, lengths):
    q, k, v, cu_seqlens = packed_qkv(lengths)

    def plain(q, k, v, queries, layout):
        return reference_attention(q, k, v, cu_seqlens, positions)

    layout = layout_of(cu_seqlens, 4, positions)
    pairs = zip(gradients(WAYS[way], q, k, v, None, layout), gradients(plain, q, k, v, None, layout), strict=True)
    assert all(torch.allclose(ours, exact, atol=1e-12) for ours, exact in pairs)


def test_second_derivatives_are_refused_unless_attention_is_eager():
    model = tiny_model()
    ids = torch.tensor([[1, 2, 3]])
    weights = model.bert.encoder.layer[0].attention.self.Wqkv.weight
    with pytest.raises(SettingsError, match=r'no second derivatives .* attn_implementation="eager"'):
        torch.autograd.grad(model(ids, labels=ids).loss, weights, create_graph=True)
    model.set_attn_implementation("eager")
    [first] = torch.autograd.grad(model(ids, labels=ids).loss, weights, create_graph=True)
    assert torch.autograd.grad(first.square().sum(), weights)[0].norm() > 0


@pytest.mark.parametrize("length", [LONGEST_SHORT, LONGEST_SHORT + 1])
def test_short_sequences_keep_their_scores_and_longer_ones_use_a_kernel_that_does_not(length):
    q, k, v, cu_seqlens = packed_qkv([length, 9], heads=2, width=4)
    layout = layout_of(cu_seqlens, 2)
    way = type(sdpa(q.requires_grad_(), k, v, None, layout).grad_fn).__name__
    assert ("ShortAttention" in way) == (length == LONGEST_SHORT)
    ours, other = (gradients(attend, q, k, v, None, layout) for attend in (sdpa, in_runs))
    assert all(torch.allclose(a, b, atol=1e-12) for a, b in zip(ours, other, strict=True))


def test_groups_cover_every_query_and_grow_no_larger_than_the_limit_on_scores():
    lengths = [512] * 5 + [100] * 60 + [7, 0, 100, 900]
    counts = [min(n, 100) for n in lengths]
    counts[5] = counts[30] = 0
    groups = grouped(counts, lengths, n_heads=12)
    assert [p.m for p in groups for _ in range(p.b)] == [m for m in counts if m]
    assert all(
        p.queries.stop - p.queries.start == p.b * p.m and p.keys.stop - p.keys.start == p.b * p.n for p in groups
    )
    assert all(p.b == 1 or p.b * 12 * p.m * p.n <= SCORES_AT_ONCE for p in groups)
    assert max(p.b for p in groups) == SCORES_AT_ONCE // (12 * 100 * 100)
    assert groups[-1].keys.stop == sum(lengths)


@pytest.mark.parametrize("size", [1, 12])
def test_no_probability_is_denormal_and_setting_tiny_ones_to_0_costs_no_accuracy(size):
    q, k, v, cu_seqlens = packed_qkv([250], heads=6)
    exact = reference_attention(size * q, size * k, v, cu_seqlens)
    q, k, v = (size * q).float().requires_grad_(), (size * k).float(), v.float()
    plain_error = (reference_attention(q, k, v, cu_seqlens) - exact).abs().max()
    out = ShortAttention.apply(q, k, v, None, layout_of(cu_seqlens, 6))
    assert (out - exact).abs().max() <= 2 * plain_error + 1e-6
    kept = out.grad_fn.saved_tensors[3]
    assert (kept == 0).float().mean() > 0.05
    assert not ((kept > 0) & (kept < torch.finfo(torch.float32).tiny)).any()


@pytest.mark.parametrize("subset", [False, True], ids=["all queries", "some queries"])
@pytest.mark.parametrize("lengths", [[300, 16], [200, 200, 200]], ids=str)
def test_values_and_gradients_of_a_sequence_are_bit_equal_whatever_its_neighbours_hold(lengths, subset):
    *_, values, cu_seqlens = packed_qkv(lengths)
    layout, total = layout_of(cu_seqlens, 4), sum(lengths)
    alike = torch.randn(1, 4, 16, generator=torch.Generator().manual_seed(2))  # so that gradients of q nearly cancel
    places = torch.arange(0, total, 3) if subset else torch.arange(total)
    queries = places if subset else None
    found = []
    for others in (1, -4):
        k, v = alike.repeat(total, 1, 1), values.float()
        for x in (k, v):
            x[lengths[0] :] *= others
        q, k, v = (x.requires_grad_() for x in (alike.repeat(len(places), 1, 1), k, v))
        out = sdpa(q, k, v, queries, layout)
        mine = int((places < lengths[0]).sum())
        dq, dk, dv = torch.autograd.grad(out.sin().sum(), (q, k, v))
        found.append([out[:mine], dq[:mine], dk[: lengths[0]], dv[: lengths[0]]])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


@pytest.mark.parametrize("way", WAYS)
def test_a_sequence_without_queries_separates_neighbours_of_equal_length(way):
    q, k, v, cu_seqlens = packed_qkv([4, 4, 4, 4])
    queries, layout = torch.tensor([0, 2, 9, 10, 12, 15]), layout_of(cu_seqlens, 4)
    some = WAYS[way](q[queries], k, v, queries, layout)
    assert torch.allclose(some, reference_attention(q, k, v, cu_seqlens)[queries], atol=1e-12)


def test_a_query_uses_the_key_of_its_own_sequence_even_if_its_score_is_very_low():
    towards = torch.full((1, 1, 4), 30.0)
    q, k, v = torch.cat([towards, towards]), torch.cat([towards, -towards]), torch.tensor([1.0, 2.0]).view(2, 1, 1)
    out = ShortAttention.apply(q[1:], k, v.expand(2, 1, 4), torch.tensor([1]), layout_of(torch.tensor([0, 1, 2]), 1))
    assert torch.equal(out, torch.full((1, 1, 4), 2.0))
