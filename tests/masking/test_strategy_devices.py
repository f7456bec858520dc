"""The strategies give the same bits as compiled loops on a CPU and as tensor operations on a GPU."""

import numpy as np
import pytest
import torch
from masking_tables import encode, kmer_tokens, made_up_npmi, pack

from genomask.masking import build_strategy, hidden, tensors
from genomask.masking.strategies import centred

DNA = [
    "uniform", "contiguous", "span", "fixed-span", "random-span", "genemask", "genemask:npmi=shuffled",
    "genemask-released", "npmi-global",
]  # fmt: skip


def dna_strategy(name, stride):
    return build_strategy(name, tokens=kmer_tokens(6, stride), mask_rate=0.15, npmi=made_up_npmi(6), match="none")


def a_batch_for_two_devices(stride):
    tokens = kmer_tokens(6, stride)
    rng = np.random.default_rng(0)
    sequences = [encode(rng.choice(5, n, p=[0.249] * 4 + [0.004]), tokens) for n in rng.integers(6, 600, 300)]
    return *pack(sequences), torch.from_numpy(rng.integers(-(2**63), 2**63 - 1, 300))


@pytest.mark.parametrize("stride", [1, 6])
@pytest.mark.parametrize("name", DNA)
def test_the_form_that_a_gpu_runs_gives_the_bits_of_the_loops(name, stride, monkeypatch):
    batch = a_batch_for_two_devices(stride)
    by_loops = dna_strategy(name, stride).select(*batch)
    monkeypatch.setattr(hidden, "_form", lambda x: tensors)
    monkeypatch.setattr(centred.compiled_centred, "hidden_around", centred.hidden_around)
    assert dna_strategy(name, stride).select(*batch).equal(by_loops)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("stride", [1, 6])
@pytest.mark.parametrize("name", DNA)
def test_a_gpu_gives_the_bits_of_the_cpu(name, stride):
    batch = a_batch_for_two_devices(stride)
    strategy = dna_strategy(name, stride)
    assert strategy.select(*(x.cuda() for x in batch)).cpu().equal(strategy.select(*batch))
