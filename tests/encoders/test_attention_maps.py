"""Attention maps: their values, their layout, and that asking for them changes no result of the backends."""

import pytest
import torch
from tiny_encoders import packed_input, padded, tiny_config, tiny_model

from genomask.encoders import MosaicBertForSequenceClassification, MosaicBertForTokenClassification

pytestmark = pytest.mark.processor

LENGTHS = [9, 4, 1, 23]
POSITIONS = ["alibi", "alibi-directed", "learned"]


def rows(side="right"):
    """ids and mask of LENGTHS in rows of 25, with two or more columns of padding on the side asked for."""
    packed = packed_input(LENGTHS)[0]
    ids, mask = (torch.nn.functional.pad(padded(x, LENGTHS, 0), (0, 2)) for x in (packed, torch.ones_like(packed)))
    if side == "left":
        ids, mask = (torch.stack([row.roll(25 - n) for row, n in zip(x, LENGTHS, strict=True)]) for x in (ids, mask))
    return {"input_ids": ids, "attention_mask": mask}


@pytest.mark.parametrize("unpadding", [True, False])
@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("positions", POSITIONS)
def test_asking_for_maps_changes_no_result_and_each_row_of_a_map_sums_to_one(positions, side, unpadding):
    model, batch = tiny_model(positions=positions, unpadding=unpadding), rows(side)
    plain, out = model(**batch), model(**batch, output_attentions=True)
    torch.testing.assert_close(out.logits, plain.logits, rtol=1e-5, atol=1e-5)
    assert plain.attentions is None
    assert [tuple(x.shape) for x in out.attentions] == [(4, 4, 25, 25)] * 2
    real = batch["attention_mask"][:, None].float()
    for each in out.attentions:
        torch.testing.assert_close(each.sum(-1), real.expand(-1, 4, -1))
        assert not (each * (1 - real)[:, :, None]).any()


@pytest.mark.parametrize("positions", POSITIONS)
def test_a_map_is_the_softmax_of_scaled_scores_and_bias(positions):
    model, ids = tiny_model(positions=positions), packed_input([7])[0][None]
    out = model.bert(input_ids=ids, output_attentions=True, output_hidden_states=True)
    layer, hidden = model.bert.encoder.layer[1], out.hidden_states[1][0]
    q, k, _ = layer.attention.self.Wqkv(hidden).unflatten(-1, (3, 4, 12)).unbind(1)
    scores = torch.einsum("inh,jnh->nij", q, k) / 12**0.5
    if positions != "learned":
        distance = (torch.arange(7)[:, None] - torch.arange(7)).abs()
        scores -= torch.tensor([1 / 4, 1 / 16, 1 / 64, 1 / 256])[:, None, None] * distance
    if positions == "alibi-directed":
        scores[0::2] += torch.full((7, 7), -torch.inf).triu(1)
        scores[1::2] += torch.full((7, 7), -torch.inf).tril(-1)
    torch.testing.assert_close(out.attentions[1][0], scores.softmax(-1))


def test_packed_input_has_maps_in_rows_as_long_as_the_longest():
    model = tiny_model()
    ids, _, cu_seqlens, longest = packed_input(LENGTHS)
    packed = model(input_ids=ids, cu_seqlens=cu_seqlens, max_seqlen=longest, output_attentions=True)
    in_rows = model(**rows(), output_attentions=True)
    for ours, theirs in zip(packed.attentions, in_rows.attentions, strict=True):
        torch.testing.assert_close(ours, theirs[:, :, :23, :23])


def test_the_config_may_ask_for_maps_and_an_argument_overrides_it():
    batch = rows()
    for head in (MosaicBertForSequenceClassification, MosaicBertForTokenClassification):
        maps = head(tiny_config(output_attentions=True)).eval()(**batch).attentions
        assert [tuple(x.shape) for x in maps] == [(4, 4, 25, 25)] * 2
    assert tiny_model(output_attentions=True)(**batch, output_attentions=False).attentions is None


@pytest.mark.filterwarnings("ignore:.*gradient_checkpointing_enable")  # its new name is not in every version
@pytest.mark.parametrize("checkpointing", [False, True])
def test_gradients_reach_the_maps_and_the_hidden_states_that_were_returned(checkpointing):
    model = tiny_model().train()
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    out = model(**rows(), output_attentions=True, output_hidden_states=True)
    kept = [*out.hidden_states, *out.attentions]
    gradients = torch.autograd.grad(out.logits.sin().sum(), kept, allow_unused=checkpointing)
    assert all(x is not None and x.any() for x in gradients[:2])
    assert checkpointing or all(x.any() for x in gradients)


def test_without_tokens_maps_are_empty_or_zero():
    maps = tiny_model()(input_ids=torch.zeros(2, 0).long(), output_attentions=True).attentions
    assert [tuple(x.shape) for x in maps] == [(2, 4, 0, 0)] * 2
    all_padding = tiny_model()(
        input_ids=torch.ones(2, 3).long(), attention_mask=torch.zeros(2, 3), output_attentions=True
    )
    assert not any(x.any() for x in all_padding.attentions)
