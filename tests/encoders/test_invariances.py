"""What must not change a sequence's vectors: its neighbours, its padding, how the forward pass is carried out."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_encoders import gradients, packed_input, padded, tiny_model

pytestmark = pytest.mark.processor

LENGTHS = [9, 4, 4, 1, 23]
VARIANTS = [{"positions": name} for name in ("alibi", "alibi-directed", "rotary-directed", "learned")]
VARIANTS += [{"positions": "alibi-directed", "stem_width": 9, "stem_fraction": 0.5}]


@settings(deadline=None, max_examples=15)
@given(lengths=st.lists(st.integers(1, 40), min_size=1, max_size=7), seed=st.integers(0, 99))
@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_a_sequence_has_the_same_vectors_alone_packed_and_padded(variant, lengths, seed):
    model = tiny_model(num_attention_heads=6, **variant)
    input_ids, _, cu_seqlens, longest = packed_input(lengths, seed=seed)
    packed = model.bert(input_ids=input_ids, cu_seqlens=cu_seqlens, max_seqlen=longest).last_hidden_state
    mask = padded(torch.ones_like(input_ids), lengths, 0)
    rows = model.bert(input_ids=padded(input_ids, lengths, 7), attention_mask=mask).last_hidden_state
    assert (rows[mask == 1] - packed).abs().max() < 1e-5
    for piece, vectors in zip(input_ids.split(lengths), packed.split(lengths), strict=True):
        alone = model.bert(input_ids=piece[None]).last_hidden_state[0]
        assert (alone - vectors).abs().max() < 1e-5


@pytest.mark.parametrize("lengths", [[40, 40, 40], [33, 64, 17], [1, 1, 1, 300]], ids=str)
@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_changing_one_sequence_leaves_its_neighbours_bit_equal(variant, lengths):
    model = tiny_model(**variant)
    input_ids, _, cu_seqlens, longest = packed_input(lengths)
    start, stop = cu_seqlens[1:3].tolist()
    changed = input_ids.clone()
    changed[start:stop] = (changed[start:stop] + 1) % 70
    before, after = (
        model.bert(input_ids=x, cu_seqlens=cu_seqlens, max_seqlen=longest).last_hidden_state
        for x in (input_ids, changed)
    )
    assert torch.equal(before[:start], after[:start])
    assert torch.equal(before[stop:], after[stop:])
    assert not torch.equal(before[start:stop], after[start:stop])


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_padding_on_either_side_is_not_seen(variant):
    model = tiny_model(**variant)
    input_ids = packed_input([6])[0]
    labels = torch.tensor([-100, 0, -100, 5, -100, -100])
    plain = model(input_ids=input_ids[None], labels=labels[None])
    for left, right in ((3, 0), (0, 3), (2, 2)):
        rows, mask, row_labels = (
            torch.nn.functional.pad(x, (left, right), value=value)[None]
            for x, value in ((input_ids, 5), (torch.ones_like(input_ids), 0), (labels, -100))
        )
        out = model(input_ids=rows, attention_mask=mask, labels=row_labels)
        assert torch.allclose(out.logits[0, left : left + 6], plain.logits[0], atol=1e-5)
        assert out.loss.item() == pytest.approx(plain.loss.item(), abs=1e-6)
        assert not model.bert(input_ids=rows, attention_mask=mask).last_hidden_state[mask == 0].any()


def test_plain_alibi_is_mirror_symmetric_and_directed_alibi_is_not():
    input_ids = packed_input([12])[0][None]
    for positions, symmetric in (("alibi", True), ("alibi-directed", False)):
        model = tiny_model(positions=positions)
        forward, mirrored = (model.bert(input_ids=x).last_hidden_state for x in (input_ids, input_ids.flip(1)))
        assert torch.allclose(mirrored.flip(1), forward, atol=1e-5) == symmetric


def test_eval_is_deterministic_whatever_the_dropout():
    model = tiny_model(hidden_dropout_prob=0.5)
    input_ids, labels, cu_seqlens, longest = packed_input(LENGTHS)
    batch = {"input_ids": input_ids, "labels": labels, "cu_seqlens": cu_seqlens, "max_seqlen": longest}
    assert torch.equal(model(**batch).loss, model(**batch).loss)
    first, second = (model(input_ids=input_ids[None]).logits for _ in range(2))
    assert torch.equal(first, second)
    model.train()
    assert not torch.equal(model(input_ids=input_ids[None]).logits, first)


@pytest.mark.filterwarnings("ignore:.*gradient_checkpointing_enable")  # its new name is not in every version
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_gradient_checkpointing_changes_no_bit_and_draws_the_same_dropout_twice(variant, dropout):
    model = tiny_model(hidden_dropout_prob=dropout, **variant).train()
    input_ids, labels, cu_seqlens, longest = packed_input(LENGTHS)
    batch = {"input_ids": input_ids, "labels": labels, "cu_seqlens": cu_seqlens, "max_seqlen": longest}
    found = []
    for checkpointed in (False, True):
        if checkpointed:
            model.gradient_checkpointing_enable()
        torch.manual_seed(3)
        loss = model(**batch).loss
        found.append({"loss": loss.detach()} | gradients(model, loss))
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])
