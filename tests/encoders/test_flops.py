"""The FLOPs of a step's matrix products agree with counts by hand and by torch."""

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from genomask.data.packing import to_batch
from genomask.encoders import MosaicBertConfig, MosaicBertForMaskedLM
from genomask.encoders.flops import training_flops
from genomask.types import IGNORE


def batch_of(lengths, masked_fraction):
    draws = torch.Generator().manual_seed(0)
    bounds = torch.tensor([0, *lengths]).cumsum(0).int()
    ids = torch.randint(5, 60, (int(bounds[-1]),), generator=draws)
    is_masked = torch.rand(len(ids), generator=draws) < masked_fraction
    return to_batch(ids, torch.where(is_masked, ids, IGNORE), bounds, torch.ones(len(lengths)))


def flops_of_scores(_input, a, b, *_args, out_val=None, **_keywords):
    """torch's counter knows baddbmm but not its in-place form."""
    return 2 * a[0] * a[1] * a[2] * b[2]


@pytest.mark.parametrize(
    ("changes", "fraction"),
    [
        ({}, 0.3),
        ({}, 0.0),
        ({"mlp": "dense", "positions": "learned"}, 0.3),
        ({"unpadding": False}, 0.3),
        ({"head_on_masked_only": False}, 0.3),
        ({"unpadding": False, "head_on_masked_only": False}, 0.3),
    ],
    ids=str,
)
def test_training_flops_are_those_that_torch_counts(changes, fraction):
    sizes = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 48}
    config = MosaicBertConfig(vocab_size=60, hidden_dropout_prob=0.0, **sizes, **changes)
    batch = batch_of((24, 7, 24, 15), fraction)
    counter = FlopCounterMode(display=False, custom_mapping={torch.ops.aten.baddbmm_: flops_of_scores})
    with counter, sdpa_kernel(SDPBackend.MATH):
        MosaicBertForMaskedLM(config)(**batch._asdict(), reduction="sum").loss.backward()
    assert training_flops(config, batch) == counter.get_total_flops()


def test_training_flops_are_those_counted_by_hand():
    """One layer over one sequence of 10 tokens, 2 of them masked: width 4, MLP 3 x 4 x 6, 64 rows of the vocabulary."""
    sizes = {"hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 6}
    config = MosaicBertConfig(vocab_size=60, **sizes)
    labels = torch.full((10,), IGNORE)
    labels[[3, 4]] = 7
    batch = to_batch(torch.full((10,), 7), labels, torch.tensor([0, 10]).int(), torch.ones(1))
    keys_values, queries_and_after, pairs, head = 10 * 2 * 16, 2 * (16 + 16 + 72), 2 * 4 * 2 * 10, 2 * (16 + 4 * 64)
    assert training_flops(config, batch) == 6 * (keys_values + queries_and_after + pairs + head)
