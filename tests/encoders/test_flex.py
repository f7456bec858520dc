"""FlexAttention's bias and mask, checked without its kernel: on the CPU it runs as plain tensor operations."""

import pytest
import torch
from packed_attention import POSITIONS, assert_values_and_gradients_are_the_twins, layout_of, packed_qkv, some_queries
from reference import reference_attention
from torch._dynamo.utils import counters
from torch.nn.attention import flex_attention

from genomask.encoders import flex as flex_backend
from genomask.encoders.attention import Layout
from genomask.encoders.block_mask import BLOCK, block_mask
from genomask.encoders.flex import flex

LENGTHS = [[1, 5, 3], [0, 140, 0, 5, 31, 0], [BLOCK, BLOCK]]


@pytest.fixture
def uncompiled(monkeypatch):
    """FlexAttention as tensor operations, with the backward pass that PyTorch refuses on the CPU."""
    monkeypatch.setattr(flex_attention, "_validate_device", lambda *_: None)
    monkeypatch.setattr(flex_attention, "_FLEX_ATTENTION_DISABLE_COMPILE_DEBUG", True)
    monkeypatch.setattr(flex_backend, "kernel", lambda: flex_attention.flex_attention)


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@pytest.mark.parametrize("positions", POSITIONS)
@pytest.mark.parametrize(("heads", "width"), [(4, 16), (3, 8)])
def test_bias_and_mask_give_the_twins_values_and_gradients(lengths, positions, heads, width):
    assert_values_and_gradients_are_the_twins(flex, lengths, positions, heads, width)


@pytest.mark.parametrize("lengths", [*LENGTHS, [1000], [100] * 11, [300, 0, 5, 131, 256, 512]], ids=str)
@pytest.mark.parametrize("positions", POSITIONS)
def test_the_blocks_are_those_found_by_looking_at_every_pair(lengths, positions):
    total, heads = sum(lengths), 3
    layout = layout_of(torch.tensor([0, *lengths]).cumsum(0).int(), heads, positions)
    ours = block_mask(layout, torch.arange(total), total)
    slow = flex_attention.create_block_mask(ours.mask_mod, 1, heads, total, total, device="cpu", BLOCK_SIZE=BLOCK)
    for name in ("kv", "full_kv", "q", "full_q"):
        for found, wanted in zip(listed(ours, name, heads), listed(slow, name, heads), strict=True):
            assert found == wanted


def listed(mask, name, heads):
    """The blocks in the table `name`, for each head and row."""
    counts, columns = (getattr(mask, f"{name}_{what}")[0] for what in ("num_blocks", "indices"))
    counts, columns = counts.expand(heads, -1), columns.expand(heads, -1, -1)
    rows = zip(counts.flatten().tolist(), columns.flatten(0, 1).tolist(), strict=True)
    return [sorted(row[:count]) for count, row in rows]


@pytest.mark.parametrize("positions", POSITIONS)
def test_for_some_queries_no_visible_pair_is_left_out_and_no_full_block_hides_one(positions):
    lengths, heads = [300, 5, 131, 900], 2
    layout = layout_of(torch.tensor([0, *lengths]).cumsum(0).int(), heads, positions)
    queries = some_queries(sum(lengths))
    mask = block_mask(layout, queries, sum(lengths))
    pairs = flex_attention.create_mask(mask.mask_mod, 1, heads, len(queries), sum(lengths), device="cpu")[0]
    blocks = [as_cells(mask, name, heads) for name in ("kv", "full_kv")]
    for head in range(heads):
        for row, column in torch.cartesian_prod(*map(torch.arange, blocks[0][head].shape)).tolist():
            block = pairs[head, row * BLOCK : (row + 1) * BLOCK, column * BLOCK : (column + 1) * BLOCK]
            partial, full = (cells[head, row, column] for cells in blocks)
            assert not (partial and full)
            assert partial or full or not block.any()
            assert not full or block.all()


def as_cells(mask, name, heads):
    """(N, R, C) bool."""
    counts, columns = (getattr(mask, f"{name}_{what}")[0] for what in ("num_blocks", "indices"))
    listed_first = torch.arange(columns.shape[-1]) < counts[..., None]
    cells = torch.zeros(columns.shape, dtype=torch.bool).scatter(-1, columns.long(), listed_first)
    return cells.expand(heads, -1, -1)


def test_all_layers_share_one_mask():
    layout = layout_of(torch.tensor([0, 9, 30], dtype=torch.int32), 2)
    assert flex_backend.mask_of(None, layout, 30) is flex_backend.mask_of(None, layout, 30)
    assert flex_backend.mask_of(torch.arange(3), layout, 30) is not flex_backend.mask_of(None, layout, 30)


@pytest.mark.usefixtures("fresh_compiler")
@pytest.mark.parametrize("positions", POSITIONS)
def test_inside_a_compiled_graph_nothing_is_compiled_twice_and_nothing_warns(positions, recwarn):
    compiled = torch.compile(flex, fullgraph=True, dynamic=False, backend="aot_eager")
    with torch.no_grad():
        for lengths in ([40, 30, 10], [1, 64, 15], [20, 20, 40]):
            *qkv, cu_seqlens = packed_qkv(lengths)
            layout = layout_of(cu_seqlens, 4, positions)
            layout = Layout(cu_seqlens, 64, layout.slopes, layout.directed)
            exact = reference_attention(*qkv, cu_seqlens, positions)
            assert torch.allclose(compiled(*qkv, None, layout), exact, atol=1e-12)
    assert counters["stats"]["unique_graphs"] == 1
    assert not [warning for warning in recwarn if "Dynamo" in str(warning.message)]
