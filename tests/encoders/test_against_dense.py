"""The encoder, its head and its loss in fp32 against the dense float64 twin, to 2e-5 (gradients relatively)."""

import pytest
import torch
from dense_twin import assert_same_gradients, twin_run
from tiny_encoders import gradients, packed_input, padded, tiny_model

pytestmark = pytest.mark.processor

LENGTHS = [9, 4, 4, 1, 23]
LONG = [150, 31]
"""The first is far longer than `max_position_embeddings` in the test of long sequences."""

VARIANTS = [
    {"num_attention_heads": 4},
    {"num_attention_heads": 6},
    {"num_attention_heads": 8},
    {"num_attention_heads": 12},
    {"num_attention_heads": 6, "positions": "alibi-directed"},
    {"positions": "rotary-directed"},
    {"positions": "alibi-directed", "stem_width": 3},
    {"positions": "alibi-directed", "stem_width": 31},
    {"positions": "alibi-directed", "stem_width": 31, "stem_fraction": 0.5},
    {"positions": "learned", "mlp": "dense", "max_position_embeddings": 30},
]


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_packed_loss_and_gradients_are_the_twins(variant):
    model = tiny_model(**variant)
    input_ids, labels, cu_seqlens, longest = packed_input(LENGTHS)
    types = torch.arange(len(input_ids)) % 2
    exact = twin_run(model, input_ids, labels, LENGTHS, types)
    packed = {"input_ids": input_ids, "token_type_ids": types, "cu_seqlens": cu_seqlens, "max_seqlen": longest}
    out = model(**packed, labels=labels)
    assert out.logits is None
    assert out.loss.item() == pytest.approx(exact.loss.item(), abs=2e-5)
    assert_same_gradients(gradients(model, out.loss), exact.gradients)
    for trained in (True, False):
        with torch.set_grad_enabled(trained):
            assert (model(**packed).logits - exact.logits).abs().max() < 2e-5


def assert_padded_form_is_the_twins(model, lengths, types):
    input_ids, labels, _, _ = packed_input(lengths)
    exact = twin_run(model, input_ids, labels, lengths, types)
    mask = padded(torch.ones_like(input_ids), lengths, 0)
    out = model(
        input_ids=padded(input_ids, lengths, 0),
        attention_mask=mask,
        token_type_ids=padded(types, lengths, 0),
        labels=padded(labels, lengths, -100),
    )
    assert out.logits.shape == (len(lengths), max(lengths), model.config.vocab_size)
    assert (out.logits[mask == 1] - exact.logits).abs().max() < 2e-5
    assert out.loss.item() == pytest.approx(exact.loss.item(), abs=2e-5)
    assert_same_gradients(gradients(model, out.loss), exact.gradients)


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_padded_logits_loss_and_gradients_are_the_twins(variant):
    assert_padded_form_is_the_twins(tiny_model(**variant), LENGTHS, torch.arange(sum(LENGTHS)) % 2)


@pytest.mark.parametrize("heads", [4, 6, 8, 12])
def test_sequences_longer_than_the_trained_length_are_the_twins(heads):
    model = tiny_model(num_attention_heads=heads, max_position_embeddings=16)
    assert_padded_form_is_the_twins(model, LONG, torch.zeros(sum(LONG), dtype=torch.long))
