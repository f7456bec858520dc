"""Parts that can be switched off to measure their worth change no result."""

import pytest
import torch
from tiny_encoders import gradients, packed_input, tiny_model

from genomask.encoders import EncoderSettings

LENGTHS = [9, 4, 0, 4, 1, 23]


def packed_batch():
    input_ids, labels, cu_seqlens, longest = packed_input(LENGTHS)
    return {"input_ids": input_ids, "labels": labels, "cu_seqlens": cu_seqlens, "max_seqlen": longest}


def repeated_index(labels):
    """The index of the masked tokens, padded as in batches of fixed size."""
    index = labels.ne(-100).nonzero().squeeze(1)
    return torch.cat([index, torch.full((4,), len(labels) - 1)])


@pytest.mark.parametrize("positions", ["alibi", "alibi-directed", "learned"])
@pytest.mark.parametrize("given_index", [False, True])
@pytest.mark.parametrize(
    "off", [{"unpadding": False}, {"head_on_masked_only": False}, {"unpadding": False, "head_on_masked_only": False}]
)
def test_loss_and_gradients_are_the_same_with_parts_switched_off(off, positions, given_index):
    batch = packed_batch()
    batch["labels"][-1] = -100
    if given_index:
        batch["masked_index"] = repeated_index(batch["labels"])
    on, without = tiny_model(positions=positions), tiny_model(positions=positions, **off)
    assert all(getattr(without.config, name) is False for name in off)
    loss, other = on(**batch).loss, without(**batch).loss
    assert other.item() == pytest.approx(loss.item(), abs=1e-6)
    expected, got = gradients(on, loss), gradients(without, other)
    for name in expected:
        assert torch.allclose(got[name], expected[name], atol=1e-6, rtol=1e-4), name


def test_without_unpadding_vectors_are_the_same_and_the_layers_see_padding(monkeypatch):
    batch = packed_batch()
    del batch["labels"]
    model, without = tiny_model().bert, tiny_model(unpadding=False).bert
    seen = {}
    for name, encoder in (("on", model), ("off", without)):
        encoder.encoder.layer[0].register_forward_hook(lambda _, x, out, name=name: seen.update({name: len(out)}))
    expected = model(**batch).last_hidden_state
    assert torch.allclose(without(**batch).last_hidden_state, expected, atol=1e-5)
    assert seen == {"on": sum(LENGTHS), "off": len(LENGTHS) * max(LENGTHS)}


def test_without_masked_only_the_head_sees_every_token():
    seen = []
    model = tiny_model(head_on_masked_only=False)
    model.cls.predictions.register_forward_hook(lambda _, x, out: seen.append(len(out)))
    model(**packed_batch())
    assert seen == [sum(LENGTHS)]


def test_every_switch_is_a_setting_of_the_recipe():
    switches = {"positions", "mlp", "unpadding", "low_precision_layernorm", "head_on_masked_only", "attention_backend"}
    assert switches <= vars(EncoderSettings()).keys()
