"""Compiled loops and tensor operations are two forms of the same functions, and give the same bits."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from masking_tables import encode, kmer_tokens, pack, random_batch, text_tokens

from genomask.hashing import below, hash64, uniform
from genomask.masking import compiled, compiled_centred, compiled_corruption, compiled_hash, corruption, hidden, tensors
from genomask.masking.grid import BaseGrid
from genomask.masking.strategies import centred
from genomask.types import TokenBases


def long_token_tokens():
    """A vocabulary of tokens that cover 1 to 5 bases and never overlap, as of byte-pair encoding."""
    ids = torch.arange(40)
    maskable = ids >= 5
    n_bases = torch.where(maskable, ids % 5 + 1, 0)
    n_bases[1] = 1
    letters = torch.full((40, 1), 4, dtype=torch.uint8)
    return TokenBases(1, 1, 4, maskable, n_bases, letters, torch.zeros(4, dtype=torch.int64), torch.ones(40).bool())


@st.composite
def batches(draw, kinds=("kmer", "text", "long")):
    """A vocabulary, packed ids with unknown tokens and empty sequences among them, bounds and keys."""
    kind, seed = draw(st.sampled_from(kinds)), draw(st.integers(0, 2**31))
    rng = np.random.default_rng(seed)
    lengths = draw(st.lists(st.integers(0, 40), min_size=1, max_size=5))
    if kind == "kmer":
        k = draw(st.integers(1, 6))
        tokens = kmer_tokens(k, draw(st.sampled_from(sorted({1, max(1, k // 2), k}))))
        letters = [rng.choice(5, k + n, p=[0.24] * 4 + [0.04]) for n in lengths]
        sequences = [encode(x, tokens) if n else torch.zeros(0).long() for x, n in zip(letters, lengths, strict=True)]
    else:
        tokens = text_tokens() if kind == "text" else long_token_tokens()
        sequences = [torch.from_numpy(rng.integers(0, len(tokens.maskable), n)) for n in lengths]
    ids, cu_seqlens = pack(sequences)
    return tokens, ids, cu_seqlens.long(), torch.from_numpy(rng.integers(-(2**63), 2**63 - 1, len(lengths)))


def same(a, b):
    if isinstance(a, BaseGrid):
        return all(same(getattr(a, name), getattr(b, name)) for name in vars(b))
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and a.equal(b)
    return len(a) == len(b) and all(map(same, a, b))


@settings(deadline=None, max_examples=150)
@given(batch=batches(), share=st.sampled_from([0.0, 0.1, 0.5, 1.0]), n_tokens=st.integers(1, 6))
def test_grids_draws_and_spans_are_equal(batch, share, n_tokens):
    tokens, ids, bounds, keys = batch
    grid = tensors.base_grid(ids, bounds, tokens)
    assert same(compiled.base_grid(ids, bounds, tokens), grid)
    chance = torch.full((len(keys),), share, dtype=torch.float64)
    bases = tensors.drawn(keys, 7, chance, grid.offsets)
    chosen = tensors.drawn(keys, 8, chance, bounds)
    for name, arguments in {
        "drawn": (keys, 7, chance, grid.offsets),
        "places_drawn": (keys, 7, chance, grid.offsets),
        "uniforms": (keys, 9, bounds),
        "tokens_over": (bases, grid),
        "coverage": (chosen, grid),
        "number_spans": (chosen, grid),
        "tokens_covering": (bases.nonzero().squeeze(1), grid, n_tokens),
    }.items():
        assert same(getattr(compiled, name)(*arguments), getattr(tensors, name)(*arguments)), name


@settings(deadline=None, max_examples=150)
@given(
    batch=batches(("kmer", "text")),
    share=st.sampled_from([0.1, 0.5, 0.9]),
    per=st.sampled_from(["span", "token"]),
    limits=st.sampled_from([(0.8, 0.9), (0.3, 0.8), (0.0, 1.0)]),
)
def test_corruption_is_equal(batch, share, per, limits):
    tokens, ids, bounds, keys = batch
    grid = tensors.base_grid(ids, bounds, tokens)
    masked = tensors.drawn(keys, 8, torch.full((len(keys),), share, dtype=torch.float64), bounds) & grid.maskable
    arguments = ids, tensors.number_spans(masked, grid), bounds, keys, tokens, per, limits
    assert same(compiled_corruption.corrupt(*arguments), corruption.corrupt_tensors(*arguments))


@settings(deadline=None, max_examples=150)
@given(
    batch=batches(("kmer", "long")),
    share=st.sampled_from([0.05, 0.3, 1.0]),
    levels=st.sampled_from([1, 2, 1000]),
    all_long=st.booleans(),
)
def test_hiding_around_centres_is_equal_with_and_without_ties(batch, share, levels, all_long):
    tokens, ids, bounds, keys = batch
    grid = tensors.base_grid(ids, bounds, tokens)
    chance = torch.full((len(keys),), share, dtype=torch.float64)
    centres = tensors.drawn(keys, 7, chance, grid.offsets).nonzero().squeeze(1)
    index, real = tensors.tokens_covering(centres, grid, -(-tokens.k // tokens.stride))
    score = (tensors.uniforms(keys, 9, bounds) * levels).floor()[index]
    score[score == levels // 2] = -torch.inf
    arguments = centres, index, real, score, keys, grid, all_long
    assert same(compiled_centred.hidden_around(*arguments), centred.hidden_around(*arguments))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_a_gpu_gives_the_same_bits():
    tokens = kmer_tokens(6)
    ids, cu_seqlens, keys = random_batch(tokens, 50, 300)
    grid = hidden.base_grid(ids, cu_seqlens, tokens)
    chance = torch.full((50,), 0.02, dtype=torch.float64)
    gpu = torch.device("cuda")
    there = hidden.base_grid(ids.to(gpu), cu_seqlens.to(gpu), tokens.to(gpu))
    assert same(there.start.cpu(), grid.start)
    assert same(there.offsets.cpu(), grid.offsets)
    bases = hidden.drawn(keys, 7, chance, grid.offsets)
    assert same(hidden.drawn(keys.to(gpu), 7, chance.to(gpu), there.offsets).cpu(), bases)
    spans = hidden.number_spans(hidden.tokens_over(bases, grid), grid)
    assert same(hidden.number_spans(hidden.tokens_over(bases.to(gpu), there), there).cpu(), spans)
    here = corruption.corrupt(ids, spans, cu_seqlens, keys, tokens=tokens)
    moved = [x.to(gpu) for x in (ids, spans, cu_seqlens, keys)]
    assert same([x.cpu() for x in corruption.corrupt(*moved, tokens=tokens)], list(here))


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
