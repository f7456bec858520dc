from types import SimpleNamespace

import numpy as np
import torch

from genomask.data import KmerTokenizer
from genomask.data.packing import pack
from genomask.masking.plan import build_plan
from genomask.training.batches import Batches


def labels_of(seed, step):
    """What a step masks of a source whose sequences are always the same."""
    tokenizer = KmerTokenizer(3)
    codes = np.random.default_rng(0).integers(0, 4, (8, 200), dtype=np.uint8)
    sequences = pack([tokenizer.encode_bases(row).astype(np.int64) for row in codes], np.ones(8))
    source = SimpleNamespace(token_bases=tokenizer.token_bases, train=lambda first, count: sequences)
    plan = build_plan("uniform", steps=10, tokens=tokenizer.token_bases, mask_rate=0.15)
    return torch.cat([batch.labels for batch in Batches(source, plan, "span", seed, 8, 500).of(step).microbatches])


def test_masks_follow_the_seed_and_the_step_and_nothing_else():
    labels = labels_of(0, 0)
    assert torch.equal(labels, labels_of(0, 0))
    assert not torch.equal(labels, labels_of(1, 0))
    assert not torch.equal(labels, labels_of(0, 1))
