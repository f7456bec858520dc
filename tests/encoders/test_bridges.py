import pytest
import torch
from originals import MOSAICBERT, for_the_twin, original_checkpoint, original_shapes
from reference import reference_logits, reference_loss
from tiny_encoders import packed_input, padded, tiny_model

from genomask.encoders.bridges import from_mosaicbert
from genomask.errors import DataError, SettingsError

DECODER, DECODER_BIAS = "cls.predictions.decoder.weight", "cls.predictions.decoder.bias"
WORDS = "bert.embeddings.word_embeddings.weight"
LENGTHS = [9, 4, 1, 23]


def test_our_parameters_bear_the_original_names():
    assert set(tiny_model().state_dict()) == {*original_shapes(MOSAICBERT, 72), DECODER}


@pytest.mark.parametrize("heads", [4, 6, 8, 12])
def test_a_bridged_checkpoint_computes_the_published_definition(heads):
    config, state = original_checkpoint(num_attention_heads=heads)
    weights, twin = for_the_twin(config, state)
    input_ids, labels, _, _ = packed_input(LENGTHS, vocab_size=72)
    exact = torch.cat([reference_logits(weights, twin, x, torch.zeros_like(x)) for x in input_ids.split(LENGTHS)])
    total, count = reference_loss(exact, labels)
    mask = padded(torch.ones_like(input_ids), LENGTHS, 0)
    out = from_mosaicbert(config, state)(
        input_ids=padded(input_ids, LENGTHS, 0), attention_mask=mask, labels=padded(labels, LENGTHS, -100)
    )
    assert (out.logits[mask == 1] - exact).abs().max() < 2e-5
    assert out.loss.item() == pytest.approx((total / count).item(), abs=2e-5)


@pytest.mark.parametrize(
    ("vocab_size", "rows"), [(70, 70), (70, 72), (70, 128), (70, 256), (72, 72), (128, 128)], ids=str
)
def test_exactly_the_ids_of_the_configs_vocabulary_are_predicted(vocab_size, rows):
    config, state = original_checkpoint(rows, vocab_size=vocab_size)
    weights, twin = for_the_twin(config, state)
    input_ids, labels, _, _ = packed_input([11])
    exact = reference_logits(weights, twin, input_ids, torch.zeros_like(input_ids))
    total, count = reference_loss(exact, labels)
    model = from_mosaicbert(config, state)
    out = model(input_ids=input_ids[None], labels=labels[None])
    assert out.logits.shape == (1, 11, vocab_size)
    assert (out.logits[0] - exact).abs().max() < 2e-5
    assert out.loss.item() == pytest.approx((total / count).item(), abs=2e-5)
    assert model.cls.predictions.decoder.weight is model.bert.embeddings.word_embeddings.weight
    assert torch.equal(model.state_dict()[WORDS][:rows], state[WORDS])


def lone_bias(state):
    state["cls.predictions.bias"] = state.pop(DECODER_BIAS)
    del state[DECODER]


def both_biases(state):
    state["cls.predictions.bias"] = state[DECODER_BIAS].clone()


def bias_of_the_decoder_alone(state):
    del state[DECODER]


def foreign_parts(state):
    state["bert.pooler.dense.weight"] = torch.zeros(48, 48)
    state["cls.seq_relationship.bias"] = torch.zeros(2)
    state["bert.embeddings.position_ids"] = torch.arange(512)[None]
    state["bert.embeddings.token_type_ids"] = torch.zeros(1, 512, dtype=torch.long)
    state["bert.encoder.alibi"] = torch.zeros(1, 6, 512, 512)
    state["bert.encoder.slopes"] = torch.zeros(6)


def first_releases_names(state):
    for name in [name for name in state if ".LayerNorm." in name]:
        old = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
        state[old] = state.pop(name)


FORMS = [lone_bias, both_biases, bias_of_the_decoder_alone, foreign_parts, first_releases_names]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_every_form_of_the_names_gives_the_same_weights(form):
    config, state = original_checkpoint()
    plain = from_mosaicbert(config, state).state_dict()
    form(state)
    other = from_mosaicbert(config, state).state_dict()
    assert all(torch.equal(plain[name], other[name]) for name in plain)


@pytest.mark.parametrize("name", [DECODER_BIAS, "cls.predictions.bias"])
def test_a_bias_of_the_true_vocabulary_beside_rows_of_padding_gives_the_same_logits(name):
    config, state = original_checkpoint(72, vocab_size=70)
    input_ids = packed_input([11])[0][None]
    expected = from_mosaicbert(config, state)(input_ids=input_ids).logits
    state[name] = state.pop(DECODER_BIAS)[:70]
    assert torch.equal(from_mosaicbert(config, state)(input_ids=input_ids).logits, expected)


def test_the_config_reaches_ours():
    changes = {"pad_token_id": 3, "layer_norm_eps": 1e-7, "hidden_dropout_prob": 0.25}
    model = from_mosaicbert(*original_checkpoint(**changes))
    assert {name: getattr(model.config, name) for name in changes} == changes
    assert (model.config.positions, model.config.mlp, model.training) == ("alibi", "glu", False)
    assert model.bert.embeddings.LayerNorm.eps == 1e-7


def test_a_checkpoint_of_another_shape_is_refused_with_the_tensor_named():
    config, state = original_checkpoint()
    lacking = {name: x for name, x in state.items() if "layer.1.mlp.wo" not in name}
    with pytest.raises(DataError, match=r"lacks bert\.encoder\.layer\.1\.mlp\.wo\.bias, .* \(2 in all\)"):
        from_mosaicbert(config, lacking)
    with pytest.raises(DataError, match=r"lacks bert\.embeddings\.word_embeddings\.weight"):
        from_mosaicbert(config, {name: x for name, x in state.items() if name != WORDS})
    with pytest.raises(DataError, match=r"holds unknown bert\.encoder\.layer\.1\."):
        from_mosaicbert(config | {"num_hidden_layers": 1}, state)
    with pytest.raises(DataError, match=r"gated_layers\.weight has shape \(80, 48\), its config asks for \(64, 48\)"):
        from_mosaicbert(config | {"intermediate_size": 32}, state)
    with pytest.raises(DataError, match=r"word_embeddings\.weight has shape \(72, 48\), .* \(73, 48\)"):
        from_mosaicbert(config | {"vocab_size": 73}, state)
    with pytest.raises(DataError, match=r"decoder\.bias has shape \(70,\), its config asks for \(72,\)"):
        from_mosaicbert(config, state | {DECODER_BIAS: torch.zeros(70)})


def test_another_architecture_is_refused():
    config, state = original_checkpoint()
    with pytest.raises(DataError, match="hidden_act is 'relu'; only 'gelu'"):
        from_mosaicbert(config | {"hidden_act": "relu"}, state)
    with pytest.raises(DataError, match=r"decoder\.weight differs from .*only tied checkpoints"):
        from_mosaicbert(config, state | {DECODER: torch.zeros(72, 48)})
    with pytest.raises(DataError, match=r"predictions\.bias differs from cls\.predictions\.decoder\.bias"):
        from_mosaicbert(config, state | {"cls.predictions.bias": torch.zeros(72)})
    with pytest.raises(SettingsError, match="hidden_size 48 is not a multiple of num_attention_heads 5"):
        from_mosaicbert(config | {"num_attention_heads": 5}, state)
