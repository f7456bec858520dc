"""Packing: nothing lost, nothing doubled, nothing over budget."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genomask.data.packing import bounds_of, pack, select, shortened, split_microbatches, take, take_batch, to_batch
from genomask.errors import SettingsError
from genomask.types import IGNORE

LENGTHS = st.lists(st.integers(1, 30), max_size=40)


def sequences_of(lengths):
    """Sequences whose ids number all tokens, so that none can stand in for another."""
    return np.split(np.arange(sum(lengths)), np.cumsum(lengths)[:-1]) if lengths else []


@settings(deadline=None, max_examples=100)
@given(lengths=LENGTHS, budget=st.integers(30, 100))
def test_packing_then_splitting_returns_every_sequence_once_in_order_within_budget(lengths, budget):
    sequences = sequences_of(lengths)
    tokens = pack(sequences, np.arange(len(lengths)))
    parts = [take(tokens, part) for part in split_microbatches(tokens, budget)]
    back = [ids for part in parts for ids in part.input_ids.split(part.lengths.tolist())]
    assert [x.tolist() for x in back] == [x.tolist() for x in sequences]
    assert [w for part in parts for w in part.weights.tolist()] == list(range(len(lengths)))
    assert all(0 < len(part.input_ids) <= budget for part in parts)


def test_a_sequence_that_is_shortened_keeps_its_first_tokens_and_its_last():
    tokens = pack([[2, 10, 11, 12, 3], [2, 20, 3], [2, 30, 31, 3]], np.ones(3))
    short = shortened(tokens, np.array([4, 4, 2]))
    assert [ids.tolist() for ids in short.input_ids.split(short.lengths.tolist())] == [
        [2, 10, 11, 3],
        [2, 20, 3],
        [2, 3],
    ]
    assert shortened(tokens, np.array([5, 3, 4])) is tokens


@settings(deadline=None, max_examples=50)
@given(lengths=LENGTHS, budget=st.integers(30, 100), data=st.data())
def test_the_weight_of_a_token_stays_with_it_where_sequences_are_shortened_and_taken(lengths, budget, data):
    tokens = pack(sequences_of(lengths), np.ones(len(lengths)))
    tokens = tokens._replace(token_weights=tokens.input_ids / 2)
    limits = st.lists(st.integers(2, 30), min_size=len(lengths), max_size=len(lengths))
    longest = np.array(data.draw(limits), dtype=np.int64)
    short = shortened(tokens, longest)
    assert short.lengths.tolist() == np.minimum(lengths, longest).tolist()
    for part in [take(short, part) for part in split_microbatches(short, budget)]:
        assert torch.equal(part.token_weights, part.input_ids / 2)
        labels = torch.where(part.input_ids % 2 == 0, part.input_ids, IGNORE)
        batch = to_batch(part.input_ids, labels, part.cu_seqlens, part.weights, None, part.token_weights)
        assert torch.equal(batch.loss_weights, batch.input_ids[batch.masked_index] / 2)


@settings(deadline=None, max_examples=50)
@given(lengths=LENGTHS, data=st.data())
def test_selected_sequences_are_whole_and_in_order_with_their_weights_and_types(lengths, data):
    sequences = sequences_of(lengths)
    tokens = pack(sequences, np.arange(len(lengths)))
    tokens = tokens._replace(token_weights=tokens.input_ids / 2, token_types=tokens.input_ids % 2)
    numbers = data.draw(st.permutations(range(len(lengths))))[: data.draw(st.integers(0, len(lengths)))]
    found = select(tokens, torch.tensor(numbers, dtype=torch.long))
    assert found.input_ids.tolist() == [x for number in numbers for x in sequences[number].tolist()]
    assert found.lengths.tolist() == [lengths[number] for number in numbers]
    assert found.cu_seqlens.dtype == torch.int32
    assert found.weights.tolist() == numbers
    assert torch.equal(found.token_weights, found.input_ids / 2)
    assert torch.equal(found.token_types, found.input_ids % 2)
    part = take(found, slice(len(numbers) // 2, None))
    assert torch.equal(part.token_types, part.input_ids % 2)


@settings(deadline=None, max_examples=50)
@given(lengths=LENGTHS, budget=st.integers(30, 100))
def test_no_microbatch_could_have_taken_the_next_sequence_too(lengths, budget):
    slices = split_microbatches(pack(sequences_of(lengths), np.ones(len(lengths))), budget)
    assert all(sum(lengths[s.start : s.stop + 1]) > budget for s in slices[:-1])


def test_a_sequence_over_the_budget_is_refused_with_the_number_to_set():
    with pytest.raises(SettingsError, match="12 tokens does not fit into tokens_per_microbatch = 10; set it to 12"):
        split_microbatches(pack(sequences_of([3, 12, 4]), np.ones(3)), 10)


def test_more_tokens_than_int32_can_count_are_refused():
    assert bounds_of([2**31 - 2, 0, 1]).tolist() == [0, 2**31 - 2, 2**31 - 2, 2**31 - 1]
    with pytest.raises(SettingsError, match=r"2,147,483,648 tokens are more than can be packed at once; give fewer"):
        bounds_of([2**30, 2**30])


def test_packed_tensors_have_the_types_the_encoder_takes():
    tokens = pack([np.array([2, 7, 3]), np.array([2, 3])], [1.0, 0.5])
    assert tokens.input_ids.tolist() == [2, 7, 3, 2, 3]
    assert tokens.cu_seqlens.tolist() == [0, 3, 5]
    assert (tokens.input_ids.dtype, tokens.cu_seqlens.dtype, tokens.weights.dtype) == (
        *(torch.int64, torch.int32, torch.float32),
    )


def test_a_batch_finds_its_masked_tokens_and_spreads_the_weights():
    tokens = pack(sequences_of([3, 2, 4]), [1.0, 0.5, 0.25])
    labels = torch.tensor([IGNORE, 7, 8, 9, IGNORE, IGNORE, IGNORE, IGNORE, 6])
    batch = to_batch(tokens.input_ids, labels, tokens.cu_seqlens, tokens.weights)
    assert batch.masked_index.tolist() == [1, 2, 3, 8]
    assert batch.loss_weights.tolist() == [1.0, 1.0, 0.5, 0.25]
    assert batch.max_seqlen == 4


@settings(deadline=None, max_examples=50)
@given(lengths=LENGTHS, budget=st.integers(30, 100), seed=st.integers(0, 2**31))
def test_a_part_of_a_batch_is_the_batch_of_that_part(lengths, budget, seed):
    tokens = pack(sequences_of(lengths), np.arange(len(lengths)))
    masked = torch.rand(len(tokens.input_ids), generator=torch.Generator().manual_seed(seed)) < 0.3
    labels = torch.where(masked, tokens.input_ids, IGNORE)
    whole = to_batch(tokens.input_ids, labels, tokens.cu_seqlens, tokens.weights)
    for part in split_microbatches(tokens, budget):
        alone = take(tokens, part)
        wanted = to_batch(alone.input_ids, labels[alone.input_ids], alone.cu_seqlens, alone.weights)
        for found, x in zip(take_batch(whole, part), wanted, strict=True):
            assert torch.equal(torch.as_tensor(found), torch.as_tensor(x))


def test_an_empty_batch_and_one_without_masked_tokens_are_batches_too():
    assert pack([], []).cu_seqlens.tolist() == [0]
    assert split_microbatches(pack([], []), 10) == []
    tokens = pack(sequences_of([3]), [1.0])
    batch = to_batch(tokens.input_ids, torch.full((3,), IGNORE), tokens.cu_seqlens, tokens.weights)
    assert len(batch.masked_index) == len(batch.loss_weights) == 0
