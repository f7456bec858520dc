"""Compiled loops and tensor operations are two forms of each strategy and of corruption, and give the same bits."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from masking_tables import bpe_tokens, encode, kmer_tokens, pack, text_tokens
from torch.utils._python_dispatch import TorchDispatchMode

from genomask.hashing import below, hash64, uniform
from genomask.masking import NpmiTable, build_strategy, compiled_hash, corruption, corruption_loop
from genomask.masking.registry import STRATEGIES

NAMES = {
    "kmers": [name for name, spec in STRATEGIES.items() if spec.units != "text"] + ["genemask:npmi=shuffled"],
    "text": [name for name, spec in STRATEGIES.items() if spec.units != "dna"],
    "bpe": [name for name, spec in STRATEGIES.items() if spec.units != "text" and not spec.needs_npmi],
}


def npmi_with_ties(k, seed):
    """A table in which many words are equally frequent and some too rare to have an NPMI."""
    counts = {k: np.random.default_rng(seed).choice([50, 1000, 2000], 4**k)}
    for n in range(k - 1, 0, -1):
        counts[n] = counts[n + 1].reshape(-1, 4).sum(1)
    return NpmiTable.from_counts(counts)


@st.composite
def batches(draw, kind):
    """A vocabulary, packed ids with unknown tokens and empty sequences among them, bounds and keys."""
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    lengths = draw(st.lists(st.integers(0, 80), min_size=1, max_size=5))
    if kind == "kmers":
        k = draw(st.integers(2, 6))
        tokens, specials = kmer_tokens(k, draw(st.sampled_from(sorted({1, k // 2, k})))), draw(st.booleans())
        letters = [rng.choice(5, k + n, p=[0.24] * 4 + [0.04]) for n in lengths]
        sequences = [
            encode(x, tokens, specials) if n else torch.zeros(0).long() for x, n in zip(letters, lengths, strict=True)
        ]
    else:
        tokens = text_tokens() if kind == "text" else bpe_tokens()
        sequences = [torch.from_numpy(rng.integers(0, len(tokens.maskable), n)) for n in lengths]
    ids, cu_seqlens = pack(sequences)
    return tokens, ids, cu_seqlens.long(), torch.from_numpy(rng.integers(-(2**63), 2**63 - 1, len(lengths)))


def same(a, b):
    return a.dtype == b.dtype and a.equal(b)


def as_tensors(strategy):
    """The strategy without its loop."""
    return replace(strategy, spec=replace(strategy.spec, loop=None))


def test_every_strategy_of_the_house_has_a_loop():
    assert [name for name, spec in STRATEGIES.items() if spec.loop is None] == []


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in NAMES.items() for name in names])
@settings(deadline=None, max_examples=40)
@given(data=st.data(), rate=st.sampled_from([0.02, 0.15, 0.6]), seed=st.integers(0, 9))
def test_loops_mask_what_the_tensor_operations_mask(kind, name, data, rate, seed):
    tokens, ids, bounds, keys = data.draw(batches(kind))
    npmi = npmi_with_ties(tokens.k, seed) if kind == "kmers" else None
    strategy = build_strategy(name, tokens=tokens, mask_rate=rate, npmi=npmi, match="none")
    assert same(strategy.select(ids, bounds, keys), as_tensors(strategy).select(ids, bounds, keys))


@pytest.mark.parametrize("name", NAMES["kmers"])
def test_loops_follow_the_chance_of_each_length(name):
    tokens, rng = kmer_tokens(4), np.random.default_rng(0)
    ids, cu_seqlens = pack([encode(rng.integers(0, 4, n), tokens) for n in range(4, 300)])
    keys = torch.arange(296)
    strategy = build_strategy(name, tokens=tokens, mask_rate=0.15, npmi=npmi_with_ties(4, 0), match="none")
    falling = torch.linspace(0.9, 0.001, 200, dtype=torch.float64)
    strategy = replace(strategy, chance_of_length=falling)
    assert same(strategy.select(ids, cu_seqlens, keys), as_tensors(strategy).select(ids, cu_seqlens, keys))


@settings(deadline=None, max_examples=150)
@given(
    data=st.data(),
    kind=st.sampled_from(["kmers", "text"]),
    rate=st.sampled_from([0.1, 0.5, 0.9]),
    per=st.sampled_from(["span", "token"]),
    limits=st.sampled_from([(0.8, 0.9), (0.3, 0.8), (0.0, 1.0)]),
)
def test_corruption_is_equal(data, kind, rate, per, limits):
    tokens, ids, bounds, keys = data.draw(batches(kind))
    spans = build_strategy("uniform", tokens=tokens, mask_rate=rate).select(ids, bounds, keys)
    arguments = ids, spans, bounds, keys, tokens, per, limits
    by_loop, by_tensors = corruption_loop.corrupt(*arguments), corruption.corrupt_tensors(*arguments)
    assert all(same(a, b) for a, b in zip(by_loop, by_tensors, strict=True))


def a_batch_for_two_devices(stride):
    tokens = kmer_tokens(6, stride)
    rng = np.random.default_rng(0)
    sequences = [encode(rng.choice(5, n, p=[0.249] * 4 + [0.004]), tokens) for n in rng.integers(6, 600, 300)]
    return tokens, (*pack(sequences), torch.from_numpy(rng.integers(-(2**63), 2**63 - 1, 300)))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("stride", [1, 6])
@pytest.mark.parametrize("name", NAMES["kmers"])
def test_a_gpu_gives_the_bits_of_the_cpu(name, stride):
    tokens, batch = a_batch_for_two_devices(stride)
    strategy = build_strategy(name, tokens=tokens, mask_rate=0.15, npmi=npmi_with_ties(6, 0), match="none")
    spans = strategy.select(*batch)
    assert strategy.select(*(x.cuda() for x in batch)).cpu().equal(spans)
    ids, cu_seqlens, keys = batch
    for per in ("span", "token"):
        here = corruption.corrupt(ids, spans, cu_seqlens, keys, tokens=tokens, per=per)
        moved = [x.cuda() for x in (ids, spans, cu_seqlens, keys)]
        there = corruption.corrupt(*moved, tokens=tokens, per=per)
        assert all(a.equal(b.cpu()) for a, b in zip(here, there, strict=True))


MOVED_OR_COMPARED = {
    "amax", "copy_", "eq", "fill_", "full", "ge", "index", "index_put_", "index_select", "lift_fresh", "lt", "new_full",
    "scalar_tensor", "slice", "sort", "take", "unsqueeze", "where",
}  # fmt: skip
ROUNDED_ONCE = {"_to_copy", "abs", "add", "clamp", "mul", "neg", "sub"}
"""With what only moves or compares numbers, the operations on floats that IEEE 754 leaves no device a choice in."""


class Floats(TorchDispatchMode):
    """Notes which operations read or write floating point numbers."""

    def __init__(self):
        super().__init__()
        self.seen = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        tensors = [x for x in torch.utils._pytree.tree_leaves((args, kwargs, result)) if isinstance(x, torch.Tensor)]
        if any(x.is_floating_point() for x in tensors):
            self.seen.add(func.overloadpacket.__name__)
        return result


@pytest.mark.parametrize("stride", [1, 6])
@pytest.mark.parametrize("name", NAMES["kmers"])
def test_what_a_gpu_runs_leaves_no_room_for_its_own_rounding(name, stride):
    """Sums of floating point numbers, logarithms and the like would give a GPU other bits, and other masks."""
    tokens, batch = a_batch_for_two_devices(stride)
    strategy = build_strategy(name, tokens=tokens, mask_rate=0.15, npmi=npmi_with_ties(6, 0), match="none")
    with Floats() as floats:
        spans = as_tensors(strategy).select(*batch)
        corruption.corrupt_tensors(batch[0], spans, *batch[1:], tokens, "span", (0.8, 0.9))
    assert floats.seen - ROUNDED_ONCE - MOVED_OR_COMPARED == set()
    assert "mul" in floats.seen  # it does look: draws are scaled


@settings(deadline=None, max_examples=100)
@given(
    key=st.integers(-(2**63), 2**63 - 1), stream=st.integers(1, 200), position=st.integers(0, 2**40),
    bound=st.integers(1, 10_000), share=st.floats(0, 1),
)  # fmt: skip
def test_the_compiled_hash_is_the_hash(key, stream, position, bound, share):
    bits = hash64(np.array([key]), stream, np.array([position]))
    in_stream = compiled_hash.mix(np.uint64((key + int(compiled_hash.offset_of(stream))) % 2**64))
    ours = compiled_hash.bits_at(np.uint64(in_stream), position)
    assert int(ours) % 2**64 == int(bits[0]) % 2**64
    assert compiled_hash.below(np.uint64(ours), bound) == below(bits, bound)[0]
    drawn = compiled_hash.draw(np.uint64(in_stream), position) < compiled_hash.limit_of(share)
    assert drawn == (uniform(np.array([key]), stream, np.array([position]))[0] < share)
