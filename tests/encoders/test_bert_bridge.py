"""Plain BERT converted to ours and back, against transformers' own class. Letters: k of DNABERT's k-mers."""

import pytest
import torch
from originals import original_checkpoint
from tiny_encoders import gradients, packed_input, padded, tiny_model
from transformers import BertConfig, BertForMaskedLM

from genomask.encoders.bridges import from_bert, from_mosaicbert, to_bert, to_mosaicbert
from genomask.errors import DataError, SettingsError

LENGTHS = [9, 4, 1, 23]
FUSED_BIAS = "bert.encoder.layer.1.attention.self.Wqkv.bias"


def bert(vocab_size=69, **changes):
    """transformers' BERT, every parameter random and far from its initial value; in eval mode."""
    sizes = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 6, "intermediate_size": 40}
    torch.manual_seed(0)
    model = BertForMaskedLM(BertConfig(vocab_size=vocab_size, max_position_embeddings=40, **(sizes | changes))).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = 0.2 * torch.randn(parameter.shape)
            parameter.add_(noise if "Norm" in name else noise.sub(parameter))
    return model


@pytest.mark.parametrize("k", [3, 4, 5, 6])
def test_dnaberts_logits_are_ours_to_2e_5(k):
    theirs = bert(vocab_size=4**k + 5)
    ours = from_bert(theirs.config.to_dict(), theirs.state_dict())
    input_ids = packed_input(LENGTHS, vocab_size=4**k + 5)[0]
    mask = padded(torch.ones_like(input_ids), LENGTHS, 0)
    batch = {"input_ids": padded(input_ids, LENGTHS, 0), "attention_mask": mask}
    batch["token_type_ids"] = torch.arange(max(LENGTHS)).expand_as(mask) % 2
    expected, got = theirs(**batch).logits, ours(**batch).logits
    assert got.shape == expected.shape
    assert (got - expected)[mask == 1].abs().max() < 2e-5


def test_loss_and_gradients_are_theirs():
    theirs = bert(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    ours = from_bert(theirs.config.to_dict(), theirs.state_dict())
    input_ids, labels, cu_seqlens, longest = packed_input(LENGTHS, vocab_size=69)
    mask = padded(torch.ones_like(input_ids), LENGTHS, 0)
    expected = theirs(
        input_ids=padded(input_ids, LENGTHS, 0), attention_mask=mask, labels=padded(labels, LENGTHS, -100)
    ).loss
    loss = ours(input_ids=input_ids, labels=labels, cu_seqlens=cu_seqlens, max_seqlen=longest).loss
    assert loss.item() == pytest.approx(expected.item(), abs=2e-5)
    exact, got = gradients(theirs, expected), gradients(ours, loss)
    query = exact["bert.encoder.layer.1.attention.self.query.bias"]
    for name, ours_of_it in {
        "bert.embeddings.position_embeddings.weight": got["bert.embeddings.position_embeddings.weight"],
        "bert.encoder.layer.0.intermediate.dense.weight": got["bert.encoder.layer.0.mlp.wi.weight"],
        "bert.encoder.layer.1.output.LayerNorm.weight": got["bert.encoder.layer.1.mlp.layernorm.weight"],
    }.items():
        assert (ours_of_it - exact[name]).abs().max() <= 2e-5 * exact[name].abs().max(), name
    assert (got[FUSED_BIAS][:48] - query).abs().max() <= 2e-5 * query.abs().max()


@pytest.mark.parametrize("form", [lambda config: config, lambda config: config.to_dict()], ids=["object", "dict"])
def test_a_config_may_be_transformers_object(form):
    theirs = bert()
    ours = from_bert(form(theirs.config), theirs.state_dict())
    assert ours.config.intermediate_size == 40
    config, state = original_checkpoint()
    known = {name: x for name, x in config.items() if name not in ("auto_map", "model_type")}
    assert from_mosaicbert(form(BertConfig(**known)), state).config.intermediate_size == 40


def first_releases_form(state):
    """bert-base as first published: gamma and beta, a lone bias, a pooler, the second head, the buffer."""
    renamed = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): x
        for name, x in state.items()
        if name != "cls.predictions.decoder.bias"
    }
    foreign = ("bert.pooler.dense.bias", "cls.seq_relationship.weight", "bert.embeddings.position_ids")
    return renamed | {name: torch.zeros(1) for name in foreign}


def test_the_first_releases_names_give_the_same_model():
    theirs = bert()
    plain = from_bert(theirs.config.to_dict(), theirs.state_dict()).state_dict()
    old = from_bert(theirs.config.to_dict(), first_releases_form(theirs.state_dict())).state_dict()
    assert all(torch.equal(plain[name], old[name]) for name in plain)


def test_bert_goes_back_bit_equal_and_loads_strictly():
    theirs = bert()
    ours = from_bert(theirs.config.to_dict(), theirs.state_dict())
    config, state = to_bert(ours)
    assert state.keys() == theirs.state_dict().keys()
    assert all(torch.equal(state[name], x) for name, x in theirs.state_dict().items())
    again = BertForMaskedLM(BertConfig.from_dict(config)).eval()
    again.load_state_dict(state, strict=True)
    input_ids = packed_input([11], vocab_size=69)[0][None]
    assert torch.equal(again(input_ids=input_ids).logits, theirs(input_ids=input_ids).logits)


@pytest.mark.parametrize(("vocab_size", "rows"), [(70, 70), (70, 72), (70, 128), (72, 72)], ids=str)
def test_mosaicbert_goes_back_bit_equal_rows_of_padding_included(vocab_size, rows):
    config, state = original_checkpoint(rows, vocab_size=vocab_size)
    exported_config, exported = to_mosaicbert(from_mosaicbert(config, state))
    assert exported.keys() == state.keys()
    assert all(torch.equal(exported[name], x) for name, x in state.items())
    assert exported_config["model_type"] == "mosaicbert"
    ours_to_say = config.keys() - {"auto_map", "position_embedding_type", "model_type"}
    assert {name: exported_config[name] for name in ours_to_say} == {name: config[name] for name in ours_to_say}


def test_our_own_model_is_written_with_the_rows_of_its_vocabulary_alone():
    model = tiny_model(vocab_size=70)
    config, state = to_mosaicbert(model)
    assert config["vocab_size"] == len(state["bert.embeddings.word_embeddings.weight"]) == 70
    input_ids = packed_input([11])[0][None]
    assert torch.equal(from_mosaicbert(config, state)(input_ids=input_ids).logits, model(input_ids=input_ids).logits)


def test_our_own_learned_positions_become_berts():
    model = tiny_model(positions="learned", mlp="dense", max_position_embeddings=30)
    config, state = to_bert(model)
    theirs = BertForMaskedLM(BertConfig.from_dict(config)).eval()
    theirs.load_state_dict(state, strict=True)
    input_ids = packed_input([30])[0][None]
    assert (theirs(input_ids=input_ids).logits - model(input_ids=input_ids).logits).abs().max() < 2e-5


def test_an_exported_state_shares_no_memory_with_the_model():
    model = tiny_model()
    _, state = to_mosaicbert(model)
    before = {name: x.clone() for name, x in state.items()}
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    assert all(torch.equal(state[name], before[name]) for name in state)


@pytest.mark.parametrize(
    ("write", "variant"),
    [
        (to_bert, {}),
        (to_bert, {"mlp": "dense"}),
        (to_bert, {"positions": "learned"}),
        (to_mosaicbert, {"positions": "learned"}),
        (to_mosaicbert, {"mlp": "dense"}),
        (to_mosaicbert, {"positions": "alibi-directed"}),
        (to_mosaicbert, {"stem_width": 5}),
    ],
)
def test_a_model_that_a_format_cannot_express_is_refused(write, variant):
    model = tiny_model(**variant)
    stem = " and stem_width=5" if "stem_width" in variant else ""
    wanted = f"positions={model.config.positions} and mlp={model.config.mlp}{stem} cannot be written as"
    with pytest.raises(SettingsError, match=rf"{wanted} .* pretrain one with encoder\.positions=\w+ .*stem_width=1$"):
        write(model)


@pytest.mark.parametrize(("write", "form"), [(to_mosaicbert, {}), (to_bert, {"positions": "learned", "mlp": "dense"})])
def test_a_decoder_that_differs_from_the_embedding_is_not_exported_as_tied(write, form):
    model = tiny_model(tie_word_embeddings=False, **form)
    with pytest.raises(SettingsError, match=r"decoder\.weight differs from .*only tied models"):
        write(model)
    model.cls.predictions.decoder.weight.data.copy_(model.bert.embeddings.word_embeddings.weight)
    assert write(model)


def test_a_checkpoint_of_another_shape_or_kind_of_bert_is_refused():
    theirs = bert()
    config, state = theirs.config.to_dict(), theirs.state_dict()
    with pytest.raises(DataError, match=r"lacks bert\.encoder\.layer\.0\.attention\.self\.key\.bias \(1 in all\)"):
        from_bert(config, {name: x for name, x in state.items() if "layer.0.attention.self.key.bias" not in name})
    with pytest.raises(DataError, match=r"0\.intermediate\.dense\.weight has shape \(40, 48\), .* \(60, 48\)"):
        from_bert(config | {"intermediate_size": 60}, state)
    with pytest.raises(DataError, match=r"word_embeddings\.weight has shape \(69, 48\), .* \(68, 48\)"):
        from_bert(config | {"vocab_size": 68}, state)
    with pytest.raises(DataError, match="position_embedding_type is 'relative_key'"):
        from_bert(config | {"position_embedding_type": "relative_key"}, state)
    with pytest.raises(DataError, match="is_decoder is True"):
        from_bert(config | {"is_decoder": True}, state)
