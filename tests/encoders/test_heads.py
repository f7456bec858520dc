import pytest
import torch
from tiny_encoders import gradients, packed_input, padded, tiny_config, tiny_model

from genomask.encoders import MosaicBertForSequenceClassification
from genomask.encoders.heads import masked_loss
from genomask.errors import DataError

pytestmark = pytest.mark.processor

LENGTHS = [9, 4, 4, 1, 23]


def packed_batch():
    input_ids, labels, cu_seqlens, longest = packed_input(LENGTHS)
    return {"input_ids": input_ids, "labels": labels, "cu_seqlens": cu_seqlens, "max_seqlen": longest}


def full_scores(model, batch):
    """Every layer for every token: what the masked-only path must equal."""
    tokens, _ = model.bert.packed(batch["input_ids"], None, None, batch["cu_seqlens"], batch["max_seqlen"])
    return model.cls.predictions(model.bert.encode(tokens))


@pytest.mark.parametrize("positions", ["alibi", "alibi-directed", "learned"])
def test_computing_masked_tokens_alone_in_the_last_layer_changes_neither_loss_nor_gradients(positions):
    model, batch = tiny_model(positions=positions), packed_batch()
    full_loss = masked_loss(full_scores(model, batch), batch["labels"])
    full = gradients(model, full_loss)
    out = model(**batch)
    ours = gradients(model, out.loss)
    assert out.loss.item() == pytest.approx(full_loss.item(), abs=1e-6)
    for name in full:
        assert torch.allclose(ours[name], full[name], atol=1e-6, rtol=1e-4), name


def test_sum_is_the_mean_times_the_weight_and_weights_count():
    model, batch = tiny_model(), packed_batch()
    count = int(batch["labels"].ne(-100).sum())
    index = batch["labels"].ne(-100).nonzero().squeeze(1)
    mean = model(**batch).loss
    assert model(**batch, reduction="sum").loss.item() == pytest.approx(mean.item() * count, rel=1e-6)
    weights = torch.linspace(0.1, 2, count)
    terms = torch.nn.functional.cross_entropy(
        full_scores(model, batch)[index], batch["labels"][index], reduction="none"
    )
    weighted = model(**batch, masked_index=index, loss_weights=weights, reduction="sum").loss
    assert weighted.item() == pytest.approx((terms * weights).sum().item(), rel=1e-5)
    weighted_mean = model(**batch, masked_index=index, loss_weights=weights).loss
    assert weighted_mean.item() == pytest.approx((terms * weights).sum().item() / weights.sum().item(), rel=1e-5)


def test_padding_of_masked_index_counts_nothing():
    model, batch = tiny_model(), packed_batch()
    index = batch["labels"].ne(-100).nonzero().squeeze(1)
    visible = batch["labels"].eq(-100).nonzero().squeeze(1)[0]
    filled = torch.cat([index, visible.expand(5)])
    plain = model(**batch, masked_index=index)
    static = model(**batch, masked_index=filled, loss_weights=torch.ones(len(filled)))
    assert static.loss.item() == pytest.approx(plain.loss.item(), abs=1e-6)
    expected, got = gradients(model, plain.loss), gradients(model, static.loss)
    model.zero_grad()
    assert all(torch.allclose(got[name], expected[name], atol=1e-6) for name in expected)


@pytest.mark.parametrize("given_index", [False, True])
def test_a_batch_with_nothing_masked_has_loss_zero_and_reaches_every_parameter(given_index):
    model, batch = tiny_model(), packed_batch()
    batch["labels"] = torch.full_like(batch["labels"], -100)
    if given_index:
        batch |= {"masked_index": torch.zeros(0, dtype=torch.long), "loss_weights": torch.zeros(0)}
    loss = model(**batch).loss
    assert loss.item() == 0
    assert not any(gradient.any() for gradient in gradients(model, loss).values())


def test_without_labels_packed_logits_are_those_of_the_asked_tokens():
    model, batch = tiny_model(), packed_batch()
    del batch["labels"]
    everything = model(**batch).logits
    assert everything.shape == (sum(LENGTHS), 70)
    asked = torch.tensor([30, 2, 17])
    assert torch.allclose(model(**batch, masked_index=asked).logits, everything[asked], atol=1e-5)


def test_label_zero_is_scored_like_any_other():
    model = tiny_model()
    input_ids = packed_input([5])[0]
    labels = torch.tensor([[-100, 0, -100, 7, -100]])
    out = model(input_ids=input_ids[None], labels=labels)
    log_p = out.logits[0].log_softmax(-1)
    assert out.loss.item() == pytest.approx(-(log_p[1, 0] + log_p[3, 7]).item() / 2, rel=1e-5)
    packed = model(input_ids=input_ids, labels=labels[0], cu_seqlens=torch.tensor([0, 5]), max_seqlen=5)
    assert packed.loss.item() == pytest.approx(out.loss.item(), rel=1e-5)


def test_padding_ids_of_the_vocabulary_are_never_predicted_over():
    model, batch = tiny_model(vocab_size=70), packed_batch()
    before = model(**batch).loss
    with torch.no_grad():
        model.cls.predictions.decoder.bias[70:] = 50.0
    assert model.cls.predictions.decoder.weight.shape[0] == 128
    assert torch.equal(model(**batch).loss, before)
    assert model.cls.predictions(torch.randn(3, 48)).softmax(-1)[:, 70:].eq(0).all()


def test_labels_on_padding_are_refused():
    model = tiny_model()
    input_ids = packed_input([5])[0][None]
    mask = torch.tensor([[1, 1, 1, 0, 0]])
    with pytest.raises(DataError, match="1 labels stand on padding"):
        model(input_ids=input_ids, attention_mask=mask, labels=torch.tensor([[-100, 3, -100, -100, 4]]))


def test_labels_outside_the_vocabulary_are_refused():
    batch = packed_batch()
    batch["labels"][3] = 99
    with pytest.raises(DataError, match="label 99 is outside the model's vocabulary of 70 ids"):
        tiny_model()(**batch)


EMPTY = {
    "no row": {"input_ids": torch.zeros(0, 7, dtype=torch.long)},
    "rows of no token": {"input_ids": torch.zeros(2, 0, dtype=torch.long)},
    "nothing but padding": {"input_ids": torch.ones(2, 7).long(), "attention_mask": torch.zeros(2, 7)},
    "packed, no sequence": {"input_ids": torch.zeros(0).long(), "cu_seqlens": torch.tensor([0]), "max_seqlen": 0},
    "packed, empty ones": {"input_ids": torch.zeros(0).long(), "cu_seqlens": torch.tensor([0, 0]), "max_seqlen": 0},
}


@pytest.mark.parametrize("positions", ["alibi", "alibi-directed", "learned"])
@pytest.mark.parametrize("unpadding", [True, False])
@pytest.mark.parametrize("case", EMPTY)
def test_an_empty_batch_has_empty_results_and_loss_zero(case, positions, unpadding):
    model, batch = tiny_model(positions=positions, unpadding=unpadding), EMPTY[case]
    assert model(**batch).logits.shape == (*batch["input_ids"].shape, 70)
    assert model.bert(**batch).last_hidden_state.shape == (*batch["input_ids"].shape, 48)
    loss = model(**batch, labels=torch.full_like(batch["input_ids"], -100)).loss
    assert loss.item() == 0
    loss.backward()


@pytest.mark.parametrize("unpadding", [True, False])
def test_no_token_asked_for_is_no_logits(unpadding):
    model, batch = tiny_model(unpadding=unpadding), packed_batch()
    del batch["labels"]
    assert model(**batch, masked_index=torch.zeros(0, dtype=torch.long)).logits.shape == (0, 70)


def classifier(**changes):
    torch.manual_seed(0)
    return MosaicBertForSequenceClassification(tiny_config(**changes)).eval()


def test_classification_is_the_same_padded_and_packed_and_pools_the_first_token():
    model = classifier(num_labels=3)
    input_ids, _, cu_seqlens, longest = packed_input(LENGTHS)
    labels = torch.tensor([0, 1, 2, 1, 0])
    packed = model(input_ids=input_ids, cu_seqlens=cu_seqlens, max_seqlen=longest, labels=labels)
    mask = padded(torch.ones_like(input_ids), LENGTHS, 0)
    rows = model(input_ids=padded(input_ids, LENGTHS, 0), attention_mask=mask, labels=labels)
    assert torch.allclose(packed.logits, rows.logits, atol=1e-6)
    hidden = model.bert(input_ids=input_ids, cu_seqlens=cu_seqlens, max_seqlen=longest).last_hidden_state
    by_hand = model.classifier(model.bert.pooler.dense(hidden[cu_seqlens[:-1]]).tanh())
    assert torch.allclose(packed.logits, by_hand, atol=1e-6)
    assert packed.loss.item() == pytest.approx(torch.nn.functional.cross_entropy(by_hand, labels).item(), rel=1e-5)


def test_one_label_is_regression():
    model = classifier(num_labels=1)
    input_ids, _, cu_seqlens, longest = packed_input([4, 6])
    targets = torch.tensor([0.5, 3.8])
    out = model(input_ids=input_ids, cu_seqlens=cu_seqlens, max_seqlen=longest, labels=targets)
    assert out.logits.shape == (2, 1)
    assert out.loss.item() == pytest.approx(((out.logits[:, 0] - targets) ** 2).mean().item(), rel=1e-6)


@pytest.mark.parametrize("row", [0, 1, 2])
def test_a_row_without_a_token_cannot_be_classified(row):
    model = classifier(num_labels=3)
    mask = torch.ones(3, 7)
    mask[row] = 0
    with pytest.raises(DataError, match=f"row {row} of the batch has no token.*; give it one, or leave the row out"):
        model(input_ids=torch.ones(3, 7).long(), attention_mask=mask)
    lengths = [0 if n == row else 7 for n in range(3)]
    cu_seqlens = torch.tensor([0, *lengths]).cumsum(0).int()
    with pytest.raises(DataError, match=f"row {row} of the batch has no token"):
        model(input_ids=torch.ones(14).long(), cu_seqlens=cu_seqlens, max_seqlen=7)


def test_no_row_is_no_class():
    assert classifier(num_labels=3)(input_ids=torch.zeros(0, 7).long()).logits.shape == (0, 3)
