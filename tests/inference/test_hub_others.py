"""Checkpoints of others as they come: without a head, fine-tuned, wrapped, vast, not finite."""

import json

import pytest
import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertForMaskedLM, BertModel

from genomask.data import KmerTokenizer
from genomask.encoders import MosaicBertConfig, MosaicBertForMaskedLM, MosaicBertForSequenceClassification
from genomask.encoders.bridges import to_mosaicbert
from genomask.errors import UserError
from genomask.inference.hub import open_as_ours, open_model

SIZES = {"vocab_size": 21, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
BATCH = KmerTokenizer(k=2)("ACGTTAC", return_tensors="pt")


@pytest.fixture(scope="module")
def checkpoints():
    """(config, state dict) with the masked-token head, keyed by scheme."""
    torch.manual_seed(0)
    theirs = BertForMaskedLM(BertConfig(**SIZES))
    ours = MosaicBertForMaskedLM(MosaicBertConfig(**SIZES))
    config, state = to_mosaicbert(ours)
    return {
        "bert": (theirs.config.to_dict(), theirs.state_dict()),
        "mosaicbert": (config | {"model_type": "bert"}, state),
    }


def folder_of(path, config, state, pickled=False):
    path.mkdir(exist_ok=True)
    (path / "config.json").write_text(json.dumps(config))
    if pickled:
        torch.save(state, path / "pytorch_model.bin")
    else:
        save_file({name: x.clone() for name, x in state.items()}, path / "model.safetensors")
    KmerTokenizer(k=2).save_vocabulary(path)
    return path


def bare(state):
    """An encoder saved alone, with a pooler (DNABERT-S)."""
    names = {name: x for name, x in state.items() if name.startswith("bert.")}
    return {name.removeprefix("bert."): x for name, x in names.items()} | pooler("pooler")


def pooler(name):
    return {f"{name}.dense.weight": torch.eye(16), f"{name}.dense.bias": torch.full((16,), 0.5)}


def fine_tuned(state):
    """A classifier of three classes where the masked-token head was."""
    kept = {name: x for name, x in state.items() if name.startswith("bert.")}
    head = {"classifier.weight": torch.ones(3, 16), "classifier.bias": torch.arange(3.0)}
    return kept | pooler("bert.pooler") | head


HEADLESS = {
    "bare": bare,
    "fine-tuned": fine_tuned,
    "bare in Lightning": lambda state: {f"model.{name}": x for name, x in bare(state).items()},
}
WRAPPED = {
    "DDP": lambda state: {f"module.{name}": x for name, x in state.items()},
    "compiled in DDP in a script": lambda state: {f"model.module._orig_mod.{name}": x for name, x in state.items()},
    "a script's checkpoint": lambda state: {"model": state, "epoch": 3, "optimizer": {"lr": 0.1}},
    "Lightning": lambda state: {"state_dict": {f"model.{name}": x for name, x in state.items()}},
}


@pytest.mark.parametrize("scheme", ["bert", "mosaicbert", "genomask"])
@pytest.mark.parametrize("kind", ["bfloat16", "float16"])
def test_weights_in_half_precision_are_opened_in_float32_under_every_head(kind, scheme, checkpoints, tmp_path):
    if scheme == "genomask":
        model = MosaicBertForMaskedLM(MosaicBertConfig(**SIZES))
        config, state = model.config.to_dict(), model.state_dict()
    else:
        config, state = checkpoints[scheme]
    halves = {name: x.to(getattr(torch, kind)) for name, x in state.items()}
    folder = folder_of(tmp_path, config | {"dtype": kind}, halves)
    for head in ("encoder", "classification", "masked-lm"):
        model, _ = open_model(folder, head=head)
        assert {x.dtype for x in (*model.parameters(), *model.buffers()) if x.is_floating_point()} == {torch.float32}
        assert model.config.dtype == torch.float32  # so are a twin made and a folder saved from it
        words, saved = model.get_input_embeddings().weight, halves["bert.embeddings.word_embeddings.weight"]
        assert torch.equal(words[: SIZES["vocab_size"]], saved[: SIZES["vocab_size"]].float())
    assert {x.dtype for x in open_as_ours(folder).parameters()} == {getattr(torch, kind)}


@pytest.mark.parametrize("scheme", ["bert", "mosaicbert"])
@pytest.mark.parametrize("form", HEADLESS)
def test_a_checkpoint_without_the_head_opens_only_where_none_is_needed(form, scheme, checkpoints, tmp_path):
    config, state = checkpoints[scheme]
    whole, _ = open_model(folder_of(tmp_path / "whole", config, state), head="encoder")
    folder = folder_of(tmp_path / "headless", config, HEADLESS[form](state))
    encoder, _ = open_model(folder, head="encoder")
    assert torch.equal(encoder(**BATCH).last_hidden_state, whole(**BATCH).last_hidden_state)
    assert open_model(folder, head="classification", num_labels=5)[0](**BATCH).logits.shape == (1, 5)
    with pytest.raises(UserError, match=r"cannot fill in masks.*its weights lack cls\.predictions\."):
        open_model(folder)
    with pytest.raises(UserError, match=r"has no masked-token head .* opens only as an encoder"):
        open_as_ours(folder)


def test_a_fine_tuned_mosaicbert_predicts_with_its_own_head(checkpoints, tmp_path):
    config, state = checkpoints["mosaicbert"]
    model, _ = open_model(folder_of(tmp_path, config, fine_tuned(state)), head="classification")
    assert isinstance(model, MosaicBertForSequenceClassification)
    pooled = (model.bert(**BATCH).last_hidden_state[:, 0] + 0.5).tanh()
    torch.testing.assert_close(model(**BATCH).logits, pooled.sum(1, keepdim=True) + torch.arange(3.0))


@pytest.mark.parametrize("scheme", ["bert", "mosaicbert"])
@pytest.mark.parametrize("form", WRAPPED)
def test_wrappers_that_training_put_around_the_weights_are_removed(form, scheme, checkpoints, tmp_path):
    config, state = checkpoints[scheme]
    whole = folder_of(tmp_path / "whole", config, state)
    wrapped = folder_of(tmp_path / "wrapped", config, WRAPPED[form](state), pickled=True)
    for opened in (lambda folder: open_model(folder)[0], open_as_ours):
        assert torch.equal(opened(wrapped)(**BATCH).logits, opened(whole)(**BATCH).logits)


@pytest.mark.parametrize("scheme", ["bert", "mosaicbert"])
@pytest.mark.parametrize("asked", ["relative_key", "relative_key_query"])
def test_relative_positions_are_refused_rather_than_ignored(asked, scheme, checkpoints, tmp_path):
    config, state = checkpoints[scheme]
    folder = folder_of(tmp_path, config | {"position_embedding_type": asked}, state)
    for opened in (open_model, open_as_ours):
        with pytest.raises(UserError, match=f"position_embedding_type is '{asked}'"):
            opened(folder)


VAST = {
    "num_hidden_layers": 10**6,
    "hidden_size": 24 * 10**5,
    "intermediate_size": 10**9,
    "vocab_size": 10**9,
    "type_vocab_size": 10**9,
}


@pytest.mark.parametrize("scheme", ["bert", "mosaicbert", "genomask"])
@pytest.mark.parametrize("name", VAST)
def test_a_config_far_larger_than_its_weights_is_refused_before_anything_is_built(name, scheme, checkpoints, tmp_path):
    if scheme == "genomask":
        MosaicBertForMaskedLM(MosaicBertConfig(**SIZES)).save_pretrained(tmp_path)
        config = json.loads((tmp_path / "config.json").read_text())
        (tmp_path / "config.json").write_text(json.dumps(config | {name: VAST[name]}))
    else:
        config, state = checkpoints[scheme]
        folder_of(tmp_path, config | {name: VAST[name]}, state)
    for head in ("masked-lm", "classification"):
        with pytest.raises(
            UserError, match=r"config\.json.*weights hold|its config asks for|must be at most"
        ) as problem:
            open_model(tmp_path, head=head)
        assert "\n" not in str(problem.value)


@pytest.mark.parametrize("name", ["num_labels", "vocab_rows", "num_hidden_layers"])
def test_enormous_counts_are_refused_before_they_take_memory(name, tmp_path):
    MosaicBertForMaskedLM(MosaicBertConfig(**SIZES)).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {name: 10**12}))
    with pytest.raises(UserError, match=r"the weights hold"):
        open_model(tmp_path, head="classification")


@pytest.mark.parametrize("value", [-16, "16", {"a": 1}, None, 1.5, [16]], ids=str)
@pytest.mark.parametrize("scheme", ["bert", "mosaicbert"])
def test_an_odd_size_is_one_clear_error(scheme, value, checkpoints, tmp_path):
    config, state = checkpoints[scheme]
    with pytest.raises(UserError) as problem:
        open_model(folder_of(tmp_path, config | {"hidden_size": value}, state))
    assert str(problem.value).startswith(str(tmp_path))
    assert "\n" not in str(problem.value)


@pytest.mark.parametrize("scheme", ["bert", "mosaicbert"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_named(value, scheme, checkpoints, tmp_path):
    config, state = checkpoints[scheme]
    name = "bert.encoder.layer.1.attention.output.dense.weight"
    spoilt = state[name].clone()
    spoilt[3, 5] = value
    folder = folder_of(tmp_path, config, state | {name: spoilt})
    for opened in (open_model, open_as_ours):
        with pytest.raises(
            UserError, match=r"layer\.1\.attention\.output\.dense\.weight holds values that are not finite"
        ):
            opened(folder)


def test_integer_weights_are_refused(checkpoints, tmp_path):
    config, state = checkpoints["mosaicbert"]
    name = "bert.encoder.layer.1.mlp.wo.weight"
    with pytest.raises(UserError, match=r"mlp\.wo\.weight holds int8; give the unquantised weights"):
        open_model(folder_of(tmp_path, config, state | {name: state[name].char()}))


@pytest.mark.parametrize("scheme", ["bert", "mosaicbert"])
def test_a_missing_vocabulary_is_refused(scheme, checkpoints, tmp_path):
    folder = folder_of(tmp_path, *checkpoints[scheme])
    (folder / "vocab.txt").unlink()
    with pytest.raises(UserError, match=r"tokenizer"):
        open_model(folder)
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}')
    with pytest.raises(UserError, match=r"the tokenizer has no vocabulary; copy vocab\.txt or tokenizer\.json"):
        open_model(folder)


@pytest.mark.parametrize("k", [1, 3])
def test_the_tokenizer_of_another_model_is_refused(k, checkpoints, tmp_path):
    folder = folder_of(tmp_path, *checkpoints["bert"])
    KmerTokenizer(k=k).save_vocabulary(folder)
    with pytest.raises(UserError, match=r"the tokenizer has ids up to \d+, the model vectors for 21 tokens"):
        open_model(folder)


def test_outputs_have_names_whatever_the_folder_says(checkpoints, tmp_path):
    config, state = checkpoints["bert"]
    model, _ = open_model(folder_of(tmp_path, config | {"return_dict": False}, state), head="encoder")
    assert isinstance(model, BertModel)
    assert model(**BATCH).last_hidden_state.shape == (1, 8, 16)
