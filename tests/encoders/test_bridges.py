import pytest
import torch
from tiny_encoders import packed_input, tiny_model

from genomask.encoders.bridges import from_mosaicbert
from genomask.errors import DataError

ORIGINAL = {
    "vocab_size": 70,
    "hidden_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "intermediate_size": 40,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.0,
    "alibi_starting_size": 512,
}


def original_names():
    """The parameter names of the original, spelled out."""
    names = [f"bert.embeddings.{part}.weight" for part in ("word_embeddings", "token_type_embeddings", "LayerNorm")]
    names += ["bert.embeddings.LayerNorm.bias"]
    for n in range(2):
        layer = f"bert.encoder.layer.{n}"
        both = [
            "attention.self.Wqkv",
            "attention.output.dense",
            "attention.output.LayerNorm",
            "mlp.wo",
            "mlp.layernorm",
        ]
        names += [f"{layer}.{part}.{kind}" for part in both for kind in ("weight", "bias")]
        names += [f"{layer}.mlp.gated_layers.weight"]
    both = ["transform.dense", "transform.LayerNorm", "decoder"]
    return names + [f"cls.predictions.{part}.{kind}" for part in both for kind in ("weight", "bias")]


def original_state(rows):
    """A checkpoint as the original would save it, the vocabulary padded to `rows`, and the model it came from."""
    model = tiny_model(num_attention_heads=6)
    state = {name: x.clone() for name, x in model.state_dict().items()}
    for name in (
        "bert.embeddings.word_embeddings.weight",
        "cls.predictions.decoder.weight",
        "cls.predictions.decoder.bias",
    ):
        state[name] = state[name][:rows]
    return model, state


def test_our_parameters_bear_the_original_names():
    assert set(tiny_model().state_dict()) == set(original_names())


@pytest.mark.parametrize("rows", [72, 128])
def test_a_checkpoint_padded_to_8_or_64_gives_the_same_logits(rows):
    model, state = original_state(rows)
    input_ids = packed_input([11])[0][None]
    bridged = from_mosaicbert(ORIGINAL, state)
    assert torch.equal(bridged(input_ids=input_ids).logits, model(input_ids=input_ids).logits)
    assert bridged.cls.predictions.decoder.weight is bridged.bert.embeddings.word_embeddings.weight


def test_the_decoder_may_be_a_bias_alone_and_foreign_heads_are_left_out():
    model, state = original_state(72)
    state["cls.predictions.bias"] = state.pop("cls.predictions.decoder.bias")
    del state["cls.predictions.decoder.weight"]
    state["bert.pooler.dense.weight"] = torch.zeros(48, 48)
    state["bert.embeddings.position_ids"] = torch.arange(512)[None]
    input_ids = packed_input([11])[0][None]
    bridged = from_mosaicbert(ORIGINAL, state)
    assert torch.equal(bridged(input_ids=input_ids).logits, model(input_ids=input_ids).logits)


def test_a_checkpoint_of_another_shape_is_refused_with_the_tensor_named():
    _, state = original_state(72)
    lacking = {name: x for name, x in state.items() if "layer.1.mlp.wo" not in name}
    with pytest.raises(DataError, match=r"lacks bert\.encoder\.layer\.1\.mlp\.wo\.bias, .* \(2 in all\)"):
        from_mosaicbert(ORIGINAL, lacking)
    with pytest.raises(DataError, match=r"holds unknown bert\.encoder\.layer\.1\."):
        from_mosaicbert(ORIGINAL | {"num_hidden_layers": 1}, state)
    with pytest.raises(DataError, match=r"gated_layers\.weight has shape \(80, 48\), its config asks for \(64, 48\)"):
        from_mosaicbert(ORIGINAL | {"intermediate_size": 32}, state)
    with pytest.raises(DataError, match="hidden_act is 'relu'"):
        from_mosaicbert(ORIGINAL | {"hidden_act": "relu"}, state)
    with pytest.raises(DataError, match="only tied checkpoints"):
        from_mosaicbert(ORIGINAL, state | {"cls.predictions.decoder.weight": torch.zeros(72, 48)})
