"""Batches of one fixed shape: nothing lost, nothing doubled, every budget kept."""

import dataclasses
import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genomask.data.fixed_shape import WHOLE, BatchShape, Expected, to_fixed_shape
from genomask.data.packing import split_microbatches, take_batch, to_batch
from genomask.errors import SettingsError
from genomask.types import IGNORE, TokenSequences

SHAPE = BatchShape(tokens=100, sequences=9, masked=40, longest=30)


def batch_of(lengths, masked):
    """Ids number all tokens; `masked` flags the masked ones."""
    total = sum(lengths)
    ids = torch.arange(1, total + 1)
    labels = torch.where(torch.tensor(masked[:total], dtype=torch.bool), ids, IGNORE)
    cu_seqlens = torch.tensor([0, *lengths]).cumsum(0).int()
    return to_batch(ids, labels, cu_seqlens, torch.arange(1.0, len(lengths) + 1))


def batches():
    lengths = st.lists(st.integers(1, SHAPE.longest), min_size=1, max_size=12)
    return lengths.flatmap(
        lambda x: st.builds(batch_of, st.just(x), st.lists(st.booleans(), min_size=sum(x), max_size=sum(x)))
    )


def sequences_of(batch):
    return [x.tolist() for x in batch.input_ids.split(batch.cu_seqlens.diff().tolist())]


@settings(deadline=None, max_examples=200)
@given(batch=batches())
def test_pieces_have_the_shape_and_hold_every_sequence_and_label_once_in_order(batch):
    pieces = to_fixed_shape(batch, SHAPE)
    for piece in pieces:
        assert len(piece.input_ids) == len(piece.labels) == SHAPE.tokens
        assert len(piece.cu_seqlens) == SHAPE.sequences + 1
        assert len(piece.masked_index) == len(piece.loss_weights) == SHAPE.masked
        assert piece.max_seqlen == SHAPE.longest
        assert piece.cu_seqlens[0] == 0
        assert piece.cu_seqlens[-1] == SHAPE.tokens
        assert 0 <= int(piece.cu_seqlens.diff().min()) <= int(piece.cu_seqlens.diff().max()) <= SHAPE.longest
        assert (piece.masked_index.diff() >= 0).all()
    real = [x for piece in pieces for x in sequences_of(piece) if any(x)]
    assert real == sequences_of(batch)
    counted = [
        (int(label), float(weight))
        for piece in pieces
        for label, weight in zip(piece.labels[piece.masked_index], piece.loss_weights, strict=True)
        if weight > 0
    ]
    wanted = zip(batch.labels[batch.masked_index].tolist(), batch.loss_weights.tolist(), strict=True)
    assert counted == list(wanted)


@settings(deadline=None, max_examples=100)
@given(batch=batches())
def test_no_piece_could_have_taken_the_next_sequence_too(batch):
    pieces = to_fixed_shape(batch, SHAPE)
    for one, other in itertools.pairwise(pieces):
        real = [x for x in sequences_of(one) if any(x)]
        following = sequences_of(other)[0]
        tokens = sum(map(len, real)) + len(following)
        masked = sum(int((piece.loss_weights > 0).sum()) for piece in (one, other))
        paddings = -(-(SHAPE.tokens - tokens) // SHAPE.longest)
        assert tokens > SHAPE.tokens or masked > SHAPE.masked or len(real) + 1 + paddings > SHAPE.sequences


def test_a_batch_within_every_budget_stays_one_piece_and_its_padding_has_no_weight():
    (piece,) = to_fixed_shape(batch_of([20, 5], [True] * 3 + [False] * 22), SHAPE)
    assert piece.cu_seqlens.tolist() == [0, 20, 25, 55, 85, 100, 100, 100, 100, 100]
    assert piece.masked_index[:4].tolist() == [0, 1, 2, 99]
    assert piece.labels[25:].eq(IGNORE).all()
    assert not piece.loss_weights[3:].any()


@pytest.mark.parametrize(
    ("lengths", "masked", "pieces"),
    [([30, 30, 30, 11], 0, [3, 1]), ([30, 30], 60, [1, 1]), ([1] * 9, 0, [5, 4])],
    ids=["tokens", "masked", "sequences"],
)
def test_a_batch_over_any_budget_is_split(lengths, masked, pieces):
    found = to_fixed_shape(batch_of(lengths, [True] * masked + [False] * (sum(lengths) - masked)), SHAPE)
    assert [len([x for x in sequences_of(piece) if any(x)]) for piece in found] == pieces


def test_a_sequence_longer_than_the_shape_allows_is_refused():
    with pytest.raises(SettingsError, match="a sequence of 31 tokens is longer than the 30"):
        to_fixed_shape(batch_of([4, 31], [False] * 35), SHAPE)


@pytest.mark.parametrize(("tokens", "longest", "rate"), [(65_536, 512, 0.15), (131_072, 128, 0.3), (600, 512, 0.15)])
def test_the_budgets_leave_room_for_any_sequence_and_for_the_usual_spread_of_masks(tokens, longest, rate):
    shape = BatchShape.of(Expected(tokens, tokens // longest, rate), longest, tokens)
    assert shape.tokens == tokens
    assert dataclasses.asdict(shape).keys() == {"tokens", "sequences", "masked", "longest"}
    assert shape.masked % 128 == 0
    assert shape.masked >= max(longest, 1.04 * rate * tokens)
    assert shape.masked <= max(longest + 127, 1.3 * rate * tokens)
    alone = to_fixed_shape(batch_of([longest], [True] * longest), shape)
    assert len(alone) == 1


@pytest.mark.parametrize("part", [1, 4, 16])
def test_batches_of_sequences_much_shorter_than_the_longest_are_full_too(part):
    longest, tokens = 512, 16_384
    length = longest // part
    lengths = [length, length // 2] * (tokens // length)
    batch = batch_of(lengths, [i % 7 == 0 for i in range(sum(lengths))])
    shape = BatchShape.of(Expected(sum(lengths), len(lengths), 0.15), longest, tokens)
    assert len(to_fixed_shape(batch, shape)) == 2


@settings(deadline=None, max_examples=200)
@given(
    longest=st.integers(2, 60),
    most=st.integers(60, 2_000),
    parts=st.lists(st.floats(0.5, 1), min_size=1, max_size=100),
)
def test_a_process_has_as_few_batches_as_hold_its_part_and_they_are_nearly_full(longest, most, parts):
    lengths = [max(1, int(longest * part)) for part in parts]
    total = sum(lengths)
    shape = BatchShape.of(Expected(total, len(lengths), 0.0), longest, most)
    n_batches = 1 if total <= most else -(-total // max(1, most - longest))
    batch = batch_of(lengths, [False] * total)
    tokens = TokenSequences(batch.input_ids, batch.cu_seqlens, torch.ones(len(lengths)))
    cut = split_microbatches(tokens, shape.tokens)
    pieces = [piece for part in cut for piece in to_fixed_shape(take_batch(batch, part), shape)]
    assert shape.tokens <= max(most, longest)
    assert len(pieces) <= n_batches
    assert len(pieces) * shape.tokens <= total + n_batches * (longest + WHOLE)
