"""The calls to flash-attn, checked with a stand-in that does in float64 what flash-attn's documentation says.

The real kernel needs a GPU: test_on_gpu.py compares it with the float64 twin there.
"""

import itertools
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest
import torch
from packed_attention import POSITIONS, assert_values_and_gradients_are_the_twins

from genomask.encoders.flash import flash


def documented_flash_attn_varlen_func(
    q, k, v, cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k,
    dropout_p=0.0, softmax_scale=None, causal=False, window_size=(-1, -1), alibi_slopes=None,
):  # fmt: skip
    """q, k, v (total, heads, width); a window (l, r) shows keys from i - l to i + r, -1 being no limit."""
    assert q.shape == k.shape == v.shape
    assert all(x.stride(-1) == 1 for x in (q, k, v))
    assert cu_seqlens_q.dtype == cu_seqlens_k.dtype == torch.int32
    assert torch.equal(cu_seqlens_q, cu_seqlens_k)
    assert max_seqlen_q == max_seqlen_k >= int(cu_seqlens_q.diff().max())
    assert (dropout_p, softmax_scale, causal) == (0.0, None, False)
    if alibi_slopes is not None:
        assert alibi_slopes.dtype == torch.float32
        assert alibi_slopes.is_contiguous()
        assert alibi_slopes.shape == q.shape[1:2]
        assert (alibi_slopes > 0).all()
    left, right = (float("inf") if size == -1 else size for size in window_size)
    out = []
    for start, stop in itertools.pairwise(cu_seqlens_q.tolist()):
        at = torch.arange(stop - start)
        offset = at - at[:, None]  # key minus query
        scores = torch.einsum("inh,jnh->nij", q[start:stop], k[start:stop]) / q.shape[-1] ** 0.5
        if alibi_slopes is not None:
            scores = scores - alibi_slopes.double()[:, None, None] * offset.abs()
        scores = scores.masked_fill((offset < -left) | (offset > right), -torch.inf)
        out.append(torch.einsum("nij,jnh->inh", scores.softmax(-1), v[start:stop]))
    return torch.cat(out)


@pytest.fixture
def stand_in(monkeypatch):
    module = ModuleType("flash_attn")
    module.__spec__ = ModuleSpec("flash_attn", None)
    module.flash_attn_varlen_func = documented_flash_attn_varlen_func
    monkeypatch.setitem(sys.modules, "flash_attn", module)


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize("lengths", [[7], [1, 5, 3], [6, 6, 0, 20, 0]], ids=str)
@pytest.mark.parametrize("positions", POSITIONS)
@pytest.mark.parametrize("heads", [4, 3])
def test_the_contract_with_flash_attn_gives_the_twins_values_and_gradients(lengths, positions, heads):
    assert_values_and_gradients_are_the_twins(flash, lengths, positions, heads)
