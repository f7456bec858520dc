import pytest
import torch
from tiny_encoders import gradients, packed_input, padded, tiny_config, tiny_model

from genomask.encoders import MosaicBertForSequenceClassification
from genomask.encoders.heads import masked_loss
from genomask.encoders.inputs import Given, PackedTokens
from genomask.errors import DataError

pytestmark = pytest.mark.processor

LENGTHS = [9, 4, 4, 1, 23]


def packed_batch():
    input_ids, labels, cu_seqlens, longest = packed_input(LENGTHS)
    return {"input_ids": input_ids, "labels": labels, "cu_seqlens": cu_seqlens, "max_seqlen": longest}


def full_scores(model, batch):
    """Scores from every layer for every token, which the masked-only path must equal."""
    tokens, _ = Given(**{name: x for name, x in batch.items() if name != "labels"}).packed(70)
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


def test_the_summed_loss_is_the_mean_times_the_total_weight():
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


@pytest.mark.parametrize("positions", ["alibi", "alibi-directed", "learned"])
@pytest.mark.parametrize("weighted", [False, True])
def test_sparse_prediction_changes_neither_loss_nor_gradients_and_makes_no_logits(positions, weighted):
    packed = packed_batch()
    batch = {
        "input_ids": padded(packed["input_ids"], LENGTHS, 0),
        "attention_mask": padded(torch.ones(sum(LENGTHS)).long(), LENGTHS, 0),
        "labels": padded(packed["labels"], LENGTHS, -100),
    }
    if weighted:
        batch["loss_weights"] = torch.linspace(0.1, 2, batch["labels"].numel()).view(batch["labels"].shape)
    dense, sparse = tiny_model(positions=positions), tiny_model(positions=positions, sparse_prediction=True)
    for reduction in ("mean", "sum"):
        full, alone = (model(**batch, reduction=reduction) for model in (dense, sparse))
        assert alone.loss.item() == pytest.approx(full.loss.item(), rel=1e-6)
        expected, got = gradients(dense, full.loss), gradients(sparse, alone.loss)
        for name in expected:
            assert torch.allclose(got[name], expected[name], atol=1e-5, rtol=1e-4), name
    assert alone.logits is None
    del batch["labels"]
    assert torch.equal(sparse(**batch).logits, dense(**batch).logits)


def test_masked_index_is_refused_for_padded_input():
    model = tiny_model()
    with pytest.raises(DataError, match="masked_index is for packed input"):
        model(input_ids=torch.ones(2, 7).long(), masked_index=torch.tensor([1]))


def test_padding_of_masked_index_does_not_count():
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


def test_padding_ids_of_the_vocabulary_get_no_probability():
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
    with pytest.raises(DataError, match="1 label on padding"):
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
def test_asking_for_no_token_gives_no_logits(unpadding):
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


def test_a_classifier_may_pool_the_mean_of_all_tokens():
    model = classifier(num_labels=3, classifier_pooling="mean")
    input_ids, _, cu_seqlens, longest = packed_input(LENGTHS)
    packed = {"input_ids": input_ids, "cu_seqlens": cu_seqlens, "max_seqlen": longest}
    hidden = model.bert(**packed).last_hidden_state
    means = torch.stack([of_sequence.mean(0) for of_sequence in hidden.split(LENGTHS)])
    assert torch.allclose(model(**packed).logits, model.classifier(means), atol=1e-6)


def test_one_label_is_regression():
    model = classifier(num_labels=1)
    input_ids, _, cu_seqlens, longest = packed_input([4, 6])
    targets = torch.tensor([0.5, 3.8])
    out = model(input_ids=input_ids, cu_seqlens=cu_seqlens, max_seqlen=longest, labels=targets)
    assert out.logits.shape == (2, 1)
    assert out.loss.item() == pytest.approx(((out.logits[:, 0] - targets) ** 2).mean().item(), rel=1e-6)


IDS = torch.randint(1, 70, (3, 9), generator=torch.Generator().manual_seed(0))
WHOLE = torch.tensor([0, 3, 1])
FLOATS = torch.tensor([[0.0, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1]])


@pytest.mark.parametrize(
    ("said", "classes", "labels", "expected"),
    [
        (None, 4, WHOLE, lambda scores: torch.nn.functional.cross_entropy(scores, WHOLE)),
        (None, 4, FLOATS, lambda scores: torch.nn.functional.binary_cross_entropy_with_logits(scores, FLOATS)),
        (None, 1, WHOLE, lambda scores: ((scores[:, 0] - WHOLE) ** 2).mean()),
        (None, 1, WHOLE[:, None], lambda scores: ((scores[:, 0] - WHOLE) ** 2).mean()),
        ("regression", 4, FLOATS, lambda scores: ((scores - FLOATS) ** 2).mean()),
        ("regression", 4, FLOATS.long(), lambda scores: ((scores - FLOATS) ** 2).mean()),
        ("multi_label_classification", 4, FLOATS.long(),
         lambda scores: torch.nn.functional.binary_cross_entropy_with_logits(scores, FLOATS)),
        ("single_label_classification", 4, WHOLE.int()[:, None],
         lambda scores: torch.nn.functional.cross_entropy(scores, WHOLE)),
    ],
)  # fmt: skip
def test_the_loss_is_that_of_the_problem_type_or_of_the_labels(said, classes, labels, expected):
    model = classifier(num_labels=classes, problem_type=said)
    out = model(input_ids=IDS, labels=labels)
    torch.testing.assert_close(out.loss, expected(out.logits))


@pytest.mark.parametrize(
    ("said", "labels", "message"),
    [
        (None, FLOATS[:, :3], r"multi_label_classification needs labels of shape \(3, 4\), got \(3, 3\)"),
        ("regression", WHOLE.float(), r"regression needs labels of shape \(3, 4\), got \(3,\)"),
        (None, WHOLE[:2], r"single_label_classification needs labels of shape \(3,\), got \(2,\)"),
        ("single_label_classification", FLOATS, "does not go with labels of type torch.float32"),
    ],
)
def test_labels_that_do_not_fit_the_problem_are_refused(said, labels, message):
    with pytest.raises(DataError, match=message):
        classifier(num_labels=4, problem_type=said)(input_ids=IDS, labels=labels)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"attention_mask": torch.ones(3, 5)}, r"attention_mask has shape \(3, 5\), input_ids \(3, 9\)"),
        ({"attention_mask": torch.ones(1, 9)}, r"attention_mask has shape \(1, 9\)"),
        ({"attention_mask": torch.ones(3, 1, 9, 9)}, r"attention_mask has shape .* 3-D or 4-D, are not read"),
        ({"token_type_ids": torch.zeros(3, 5).long()}, r"token_type_ids has shape \(3, 5\)"),
        ({"labels": torch.zeros(3, 5).long()}, r"labels have shape \(3, 5\), input_ids \(3, 9\)"),
        ({"input_ids": IDS[0]}, r"input_ids have shape \(9,\); they must be \(sequences, tokens\)"),
        (
            {"cu_seqlens": torch.tensor([0, 27]).int(), "max_seqlen": 27},
            r"input_ids have shape \(3, 9\); .* cu_seqlens",
        ),
        (
            {
                **{"input_ids": IDS[0], "cu_seqlens": torch.tensor([0, 9]).int(), "max_seqlen": 9},
                "attention_mask": torch.ones(9),
            },
            "takes no attention_mask",
        ),
    ],
)
def test_shapes_that_do_not_belong_together_are_refused(changes, message):
    with pytest.raises(DataError, match=message):
        tiny_model()(**({"input_ids": IDS} | changes))


@pytest.mark.parametrize("unpadding", [True, False])
@pytest.mark.parametrize("by_config", [True, False])
def test_hidden_states_are_the_vectors_after_the_embeddings_and_each_layer(by_config, unpadding):
    changes = {"num_hidden_layers": 3, "unpadding": unpadding, "output_hidden_states": by_config}
    asked = {} if by_config else {"output_hidden_states": True}
    model = tiny_model(**changes)
    batch = packed_batch()
    out = model(**batch, **asked)
    plain = model(**batch, output_hidden_states=False)
    assert plain.hidden_states is None
    torch.testing.assert_close(out.loss, plain.loss)
    packed = {name: x for name, x in batch.items() if name != "labels"}
    first = model.bert.embeddings(PackedTokens(**packed, token_type_ids=None), None)
    torch.testing.assert_close(out.hidden_states[0], first)
    for depth, state in enumerate(out.hidden_states[1:], start=1):
        shallower = tiny_model(**changes)
        shallower.bert.encoder.layer = shallower.bert.encoder.layer[:depth]
        torch.testing.assert_close(state, shallower.bert(**packed).last_hidden_state)
    assert len(out.hidden_states) == 4
    rows = padded(batch["input_ids"], LENGTHS, 0)
    mask = padded(torch.ones_like(batch["input_ids"]), LENGTHS, 0)
    for each in (model, model.bert, classifier(num_labels=2, **changes)):
        states = each(input_ids=rows, attention_mask=mask, **asked).hidden_states
        assert [tuple(x.shape) for x in states] == [(5, 23, 48)] * 4
    of_rows = model(input_ids=rows, attention_mask=mask, **asked).hidden_states
    torch.testing.assert_close(of_rows[2][mask.bool()], out.hidden_states[2], rtol=1e-5, atol=1e-5)


def test_without_tokens_hidden_states_are_empty():
    states = tiny_model()(input_ids=torch.zeros(0, 7).long(), output_hidden_states=True).hidden_states
    assert [tuple(x.shape) for x in states] == [(0, 7, 48)] * 3


@pytest.mark.parametrize(("wanted", "kept"), [([0, -1], [0, 2]), (1, [1]), (0, [0]), (-2, [1]), ([9], []), ([], [])])
def test_some_hidden_states_may_be_asked_for_by_number(wanted, kept):
    model = tiny_model()
    every = model(input_ids=IDS, output_hidden_states=True).hidden_states
    some = model(input_ids=IDS, output_hidden_states=wanted).hidden_states
    assert [n for n, x in enumerate(some) if x is not None] == kept
    assert all(torch.equal(some[n], every[n]) for n in kept)


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


def test_without_rows_a_classifier_gives_no_logits():
    assert classifier(num_labels=3)(input_ids=torch.zeros(0, 7).long()).logits.shape == (0, 3)
