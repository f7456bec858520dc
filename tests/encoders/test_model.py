import pytest
import torch
from tiny_encoders import packed_input, tiny_model
from torch import nn

from genomask.encoders.inputs import Given
from genomask.errors import DataError, SettingsError

pytestmark = pytest.mark.processor

LENGTHS = [9, 4, 4, 1, 23]


def test_queries_in_any_order_and_repeated_get_the_vectors_of_their_tokens():
    model = tiny_model()
    input_ids, _, cu_seqlens, longest = packed_input(LENGTHS)
    tokens, _ = Given(input_ids, cu_seqlens=cu_seqlens, max_seqlen=longest).packed(70)
    queries = torch.tensor([40, 0, 13, 13, 2, 0])
    assert torch.allclose(model.bert.encode(tokens, queries), model.bert.encode(tokens)[queries], atol=1e-6)


def test_dropout_acts_in_training_only():
    model = tiny_model(hidden_dropout_prob=0.5)
    input_ids = packed_input([12])[0][None]
    first, second = (model.bert(input_ids=input_ids).last_hidden_state for _ in range(2))
    assert torch.equal(first, second)
    model.train()
    assert not torch.equal(model.bert(input_ids=input_ids).last_hidden_state, first)


def rid_of(model, name):
    """The model in training, with everything dropped in one place and nothing elsewhere."""
    for module in model.train().modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    model.get_submodule(name).register_forward_hook(lambda module, given, _: torch.zeros_like(given[0]))
    return model


@pytest.mark.parametrize("mlp", ["glu", "dense"])
def test_dropout_acts_after_the_embeddings_after_attention_and_within_the_mlp(mlp):
    """Where everything is dropped, nothing from before is left."""
    one, other = torch.tensor([[5, 6, 7, 8]]), torch.tensor([[5, 9, 7, 8]])

    def vectors(model, ids=one):
        return model.bert(input_ids=ids).last_hidden_state

    embeddings = rid_of(tiny_model(mlp=mlp), "bert.embeddings.dropout")
    assert torch.equal(vectors(embeddings), vectors(embeddings, other))
    attention = rid_of(tiny_model(mlp=mlp, num_hidden_layers=1), "bert.encoder.layer.0.attention.output.dropout")
    assert torch.equal(vectors(attention)[0, 0], vectors(attention, other)[0, 0])  # each token sees only itself
    assert not torch.equal(vectors(attention)[0, 1], vectors(attention, other)[0, 1])
    within = rid_of(tiny_model(mlp=mlp, num_hidden_layers=1), "bert.encoder.layer.0.mlp.dropout")
    before = vectors(within)
    with torch.no_grad():
        within.get_submodule("bert.encoder.layer.0.mlp").get_parameter(
            "gated_layers.weight" if mlp == "glu" else "wi.weight"
        ).zero_()
    assert torch.equal(vectors(within), before)


def test_tokens_without_a_type_are_of_the_first_type():
    model, (input_ids, _, cu_seqlens, longest) = tiny_model(), packed_input(LENGTHS)
    packed = {"input_ids": input_ids, "cu_seqlens": cu_seqlens, "max_seqlen": longest}
    given, zeros, ones = (
        model.bert(**packed, token_type_ids=types).last_hidden_state
        for types in (None, torch.zeros_like(input_ids), torch.ones_like(input_ids))
    )
    assert torch.allclose(given, zeros, atol=1e-6)
    assert not torch.allclose(given, ones, atol=1e-2)


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
        ({"positions": "rotary"}, "positions = 'rotary' is not one of alibi, alibi-directed, rotary-directed, learned"),
        (
            {"positions": "rotary-directed", "hidden_size": 12},
            "'rotary-directed' needs heads whose width is a multiple of 2, not 3: set hidden_size to a multiple of 8",
        ),
        ({"mlp": "moe"}, "mlp = 'moe' is not one of glu, dense"),
        ({"num_hidden_layers": 0}, "num_hidden_layers must be a whole number of at least 1, got 0"),
        ({"num_attention_heads": "five"}, "num_attention_heads must be a whole number of at least 1, got 'five'"),
        ({"hidden_dropout_prob": 1.0}, r"hidden_dropout_prob must be a number in \[0, 1\)"),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(change, message):
    with pytest.raises(SettingsError, match=message):
        tiny_model(**change)
