from types import SimpleNamespace

import numpy as np
import pytest
import torch

from genomask.data import KmerTokenizer
from genomask.data.packing import pack, take
from genomask.masking.plan import build_plan
from genomask.training.batches import Batches
from genomask.training.distributed import World, being


def batches_of(seed, tokens_per_microbatch=500):
    """Steps of eight sequences, always the same ones."""
    tokenizer = KmerTokenizer(3)
    codes = np.random.default_rng(0).integers(0, 4, (8, 200), dtype=np.uint8)
    sequences = pack([tokenizer.encode_bases(row).astype(np.int64) for row in codes], np.ones(8))
    source = SimpleNamespace(
        token_bases=tokenizer.token_bases, train=lambda first, n: take(sequences, slice(first % 8, first % 8 + n))
    )
    plan = build_plan("uniform", steps=10, tokens=tokenizer.token_bases, mask_rate=0.15)
    return Batches(source, plan, "span", seed, 8, tokens_per_microbatch)


def labels_of(seed, step):
    """What a step masks."""
    return torch.cat([batch.labels for batch in batches_of(seed).of(step).microbatches])


def test_masks_follow_the_seed_and_the_step_and_nothing_else():
    labels = labels_of(0, 0)
    assert torch.equal(labels, labels_of(0, 0))
    assert not torch.equal(labels, labels_of(1, 0))
    assert not torch.equal(labels, labels_of(0, 1))


@pytest.mark.parametrize("processes", [2, 3, 4])
@pytest.mark.parametrize("tokens_per_microbatch", [200, 700])
def test_a_step_is_the_same_bit_for_bit_however_many_processes_and_microbatches_share_it(
    processes, tokens_per_microbatch
):
    whole = batches_of(0).of(3)
    parts = []
    for rank in range(processes):
        with being(World(rank, processes)):
            parts.append(batches_of(0, tokens_per_microbatch).of(3))
    for field in ("input_ids", "labels"):
        of_all = [getattr(batch, field) for part in parts for batch in part.microbatches]
        assert torch.equal(torch.cat(of_all), torch.cat([getattr(batch, field) for batch in whole.microbatches]))
    assert sum((part.masks for part in parts[1:]), parts[0].masks) == whole.masks
