import pytest
import torch
from reference import reference_encoder, reference_logits, reference_loss
from tiny_encoders import gradients, packed_input, padded, tiny_model

from genomask.errors import DataError, SettingsError

LENGTHS = [9, 4, 4, 1, 23]


def double_weights(model):
    """The model's parameters as float64 leaves."""
    return {name: p.detach().double().requires_grad_() for name, p in model.named_parameters()}


def reference_run(model, input_ids, labels, lengths, token_types):
    """(logits (T, V), mean loss, gradients) of the float64 twin."""
    weights = double_weights(model)
    pieces = zip(input_ids.split(lengths), token_types.split(lengths), strict=True)
    logits = torch.cat([reference_logits(weights, model.config, ids, types) for ids, types in pieces])
    total, count = reference_loss(logits, labels)
    loss = total / count
    names = list(weights)
    return logits, loss, dict(zip(names, torch.autograd.grad(loss, [weights[n] for n in names]), strict=True))


def assert_same_gradients(ours, exact):
    assert ours.keys() == exact.keys()
    for name in exact:
        scale = exact[name].abs().max()
        assert (ours[name] - exact[name]).abs().max() <= 2e-5 * scale + 1e-9, name


VARIANTS = [
    {"num_attention_heads": 4},
    {"num_attention_heads": 6},
    {"num_attention_heads": 8},
    {"num_attention_heads": 12},
    {"num_attention_heads": 6, "positions": "alibi-directed"},
    {"positions": "learned", "mlp": "dense", "max_position_embeddings": 30},
]


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_packed_loss_and_gradients_are_the_twins(variant):
    model = tiny_model(**variant)
    input_ids, labels, cu_seqlens, longest = packed_input(LENGTHS)
    types = torch.arange(len(input_ids)) % 2
    _, exact_loss, exact = reference_run(model, input_ids, labels, LENGTHS, types)
    out = model(input_ids=input_ids, token_type_ids=types, labels=labels, cu_seqlens=cu_seqlens, max_seqlen=longest)
    assert out.logits is None
    assert out.loss.item() == pytest.approx(exact_loss.item(), abs=2e-5)
    assert_same_gradients(gradients(model, out.loss), exact)


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_padded_logits_loss_and_gradients_are_the_twins(variant):
    model = tiny_model(**variant)
    input_ids, labels, _, _ = packed_input(LENGTHS)
    types = torch.zeros_like(input_ids)
    exact_logits, exact_loss, exact = reference_run(model, input_ids, labels, LENGTHS, types)
    mask = padded(torch.ones_like(input_ids), LENGTHS, 0)
    rows, row_labels = padded(input_ids, LENGTHS, 0), padded(labels, LENGTHS, -100)
    out = model(input_ids=rows, attention_mask=mask, labels=row_labels)
    assert out.logits.shape == (len(LENGTHS), max(LENGTHS), model.config.vocab_size)
    assert (out.logits[mask == 1] - exact_logits).abs().max() < 2e-5
    assert out.loss.item() == pytest.approx(exact_loss.item(), abs=2e-5)
    assert_same_gradients(gradients(model, out.loss), exact)


def test_sequences_far_longer_than_any_setting_are_the_twins():
    model = tiny_model(num_attention_heads=6, max_position_embeddings=16)
    input_ids, _, cu_seqlens, longest = packed_input([150, 90])
    hidden = model.bert(input_ids=input_ids, cu_seqlens=cu_seqlens, max_seqlen=longest).last_hidden_state
    weights = double_weights(model)
    exact = [reference_encoder(weights, model.config, x, torch.zeros_like(x)) for x in input_ids.split([150, 90])]
    assert (hidden - torch.cat(exact)).abs().max() < 2e-5


def test_a_sequence_has_the_same_vectors_alone_and_in_any_batch():
    model = tiny_model(num_attention_heads=6)
    input_ids, _, cu_seqlens, longest = packed_input(LENGTHS)
    together = model.bert(input_ids=input_ids, cu_seqlens=cu_seqlens, max_seqlen=longest).last_hidden_state
    for piece, vectors in zip(input_ids.split(LENGTHS), together.split(LENGTHS), strict=True):
        alone = model.bert(input_ids=piece[None]).last_hidden_state[0]
        assert (alone - vectors).abs().max() < 1e-5


@pytest.mark.parametrize("lengths", [[40, 40, 40], [33, 64, 17]], ids=str)
def test_changing_one_sequence_leaves_its_neighbours_bit_equal(lengths):
    model = tiny_model()
    input_ids, _, cu_seqlens, longest = packed_input(lengths)
    start, stop = cu_seqlens[1:3].tolist()
    changed = input_ids.clone()
    changed[start:stop] = changed[start:stop].flip(0)
    before, after = (
        model.bert(input_ids=x, cu_seqlens=cu_seqlens, max_seqlen=longest).last_hidden_state
        for x in (input_ids, changed)
    )
    assert torch.equal(before[:start], after[:start])
    assert torch.equal(before[stop:], after[stop:])
    assert not torch.equal(before[start:stop], after[start:stop])


def test_padding_on_either_side_is_not_seen():
    model = tiny_model()
    input_ids = packed_input([6])[0]
    plain = model.bert(input_ids=input_ids[None]).last_hidden_state[0]
    for left, right in ((3, 0), (0, 3)):
        rows = torch.nn.functional.pad(input_ids, (left, right), value=5)[None]
        mask = torch.nn.functional.pad(torch.ones_like(input_ids), (left, right))[None]
        vectors = model.bert(input_ids=rows, attention_mask=mask).last_hidden_state[0]
        assert torch.allclose(vectors[left : left + 6], plain, atol=1e-6)
        assert not vectors[mask[0] == 0].any()


def test_queries_in_any_order_and_repeated_get_the_vectors_of_their_tokens():
    model = tiny_model()
    input_ids, _, cu_seqlens, longest = packed_input(LENGTHS)
    tokens, _ = model.bert.packed(input_ids, None, None, cu_seqlens, longest)
    queries = torch.tensor([40, 0, 13, 13, 2, 0])
    assert torch.allclose(model.bert.encode(tokens, queries), model.bert.encode(tokens)[queries], atol=1e-6)


def test_plain_alibi_is_mirror_symmetric_and_directed_alibi_is_not():
    input_ids = packed_input([12])[0][None]
    for positions, symmetric in (("alibi", True), ("alibi-directed", False)):
        model = tiny_model(positions=positions)
        forward, mirrored = (model.bert(input_ids=x).last_hidden_state for x in (input_ids, input_ids.flip(1)))
        assert torch.allclose(mirrored.flip(1), forward, atol=1e-5) == symmetric


def test_dropout_acts_in_training_only():
    model = tiny_model(hidden_dropout_prob=0.5)
    input_ids = packed_input([12])[0][None]
    first, second = (model.bert(input_ids=input_ids).last_hidden_state for _ in range(2))
    assert torch.equal(first, second)
    model.train()
    assert not torch.equal(model.bert(input_ids=input_ids).last_hidden_state, first)


@pytest.mark.filterwarnings("ignore:.*gradient_checkpointing_enable")  # its new name is not in every version
def test_gradient_checkpointing_changes_nothing():
    model = tiny_model().train()
    input_ids, labels, cu_seqlens, longest = packed_input(LENGTHS)
    batch = {"input_ids": input_ids, "labels": labels, "cu_seqlens": cu_seqlens, "max_seqlen": longest}
    plain = gradients(model, model(**batch).loss)
    model.gradient_checkpointing_enable()
    checkpointed = gradients(model, model(**batch).loss)
    assert all(torch.equal(plain[name], checkpointed[name]) for name in plain)


@pytest.mark.parametrize("low_precision", [True, False])
def test_bf16_autocast_stays_close_and_layernorm_runs_in_the_type_asked_for(low_precision):
    model = tiny_model(low_precision_layernorm=low_precision)
    input_ids, labels, cu_seqlens, longest = packed_input(LENGTHS)
    batch = {"input_ids": input_ids, "labels": labels, "cu_seqlens": cu_seqlens, "max_seqlen": longest}
    exact = model(**batch).loss
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(**batch).loss
        hidden = model.bert(input_ids=input_ids, cu_seqlens=cu_seqlens, max_seqlen=longest).last_hidden_state
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(exact.item(), rel=0.03)
    assert hidden.dtype == (torch.bfloat16 if low_precision else torch.float32)


def test_ids_outside_the_vocabulary_are_refused():
    model = tiny_model(vocab_size=70)
    with pytest.raises(DataError, match="token id 70 is outside the model's vocabulary of 70 ids"):
        model(input_ids=torch.tensor([[1, 70]]))
    with pytest.raises(DataError, match="token id -1 "):
        model(input_ids=torch.tensor([[1, -1]]))


def test_learned_positions_refuse_a_longer_sequence():
    model = tiny_model(positions="learned", max_position_embeddings=5)
    with pytest.raises(DataError, match="6 tokens, but this model's learned positions end at 5"):
        model(input_ids=torch.ones(1, 6, dtype=torch.long))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_size": 50}, "hidden_size 50 is not a multiple of num_attention_heads 4"),
        ({"positions": "rotary"}, "positions = 'rotary' is not one of alibi, alibi-directed, learned"),
        ({"mlp": "moe"}, "mlp = 'moe' is not one of glu, dense"),
        ({"num_hidden_layers": 0}, "num_hidden_layers must be a whole number of at least 1, got 0"),
        ({"num_attention_heads": "five"}, "num_attention_heads must be a whole number of at least 1, got 'five'"),
        ({"hidden_dropout_prob": 1.0}, r"hidden_dropout_prob must be a number in \[0, 1\)"),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(change, message):
    with pytest.raises(SettingsError, match=message):
        tiny_model(**change)
