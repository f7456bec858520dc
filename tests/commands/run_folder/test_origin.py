"""Continued pretraining: what is taken from a model's folder, what is refused, and that it resumes bit for bit."""

import dataclasses
import json
import os
import shutil
import signal

import pytest
import torch
from quick_settings import QUICK
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.processors import TemplateProcessing
from transformers import BertConfig, BertForMaskedLM, BertTokenizer

from genomask.commands.pretrain import chosen_recipe, origin_of, pretrain
from genomask.commands.run_folder.folder import read_config, read_origin
from genomask.data import BpeTokenizer, Genome, KmerTokenizer
from genomask.data.opening import Inputs
from genomask.encoders import MosaicBertConfig, MosaicBertForMaskedLM
from genomask.encoders.bridges import to_mosaicbert
from genomask.errors import SettingsError, Stopped, UserError
from genomask.inference.hub import open_model
from genomask.training import loop
from genomask.training.metrics_log import read_metrics

SIZES = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 48}
QUICKER = [x for x in QUICK if not x.startswith(("encoder.", "tokens."))] + ["training.steps=4", "evaluation.every=4"]
WORDS = "bert.embeddings.word_embeddings.weight"
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def folder_of(path, tokenizer, scheme="ours", **settings):
    """A model folder with our, BERT's or MosaicBERT's names, and its tokenizer if there is one."""
    torch.manual_seed(1)
    sizes = {"vocab_size": 4**3 + 5, **SIZES, **settings}
    if scheme == "bert":
        BertForMaskedLM(BertConfig(**sizes)).save_pretrained(path)
    elif scheme == "mosaicbert":
        path.mkdir()
        config, tensors = to_mosaicbert(MosaicBertForMaskedLM(MosaicBertConfig(**sizes)))
        (path / "config.json").write_text(json.dumps(config | {"model_type": "bert"}))
        save_file(tensors, path / "model.safetensors", metadata={"format": "pt"})
    else:
        MosaicBertForMaskedLM(MosaicBertConfig(**sizes)).save_pretrained(path)
    if tokenizer is not None:
        tokenizer.save_pretrained(path)
    return path


def asked(model, out, *changes, kind="genome", name="", resume=False):
    """(recipe, origin) as the command line makes them."""
    origin = origin_of(model, kind, out, resume=resume)
    return chosen_recipe(kind, name, [*QUICKER, *changes], origin), origin


@pytest.mark.parametrize(
    ("scheme", "positions", "mlp"),
    [("ours", "alibi", "glu"), ("bert", "learned", "dense"), ("mosaicbert", "alibi", "glu")],
)
def test_a_run_begins_with_the_weights_shape_and_tokens_of_the_model(scheme, positions, mlp, inputs, tmp_path):
    model, out = folder_of(tmp_path / "model", KmerTokenizer(k=3), scheme), tmp_path / "run"
    recipe, origin = asked(model, out, "optimizer.learning_rate=1e-12")
    assert (recipe.tokens.k, recipe.encoder.positions, recipe.encoder.mlp) == (3, positions, mlp)
    assert recipe.encoder.hidden_size == SIZES["hidden_size"]
    pretrain(recipe, inputs, out, origin=origin)
    now = load_file(out / "model" / "model.safetensors")[WORDS]
    before = load_file(model / "model.safetensors")[WORDS]
    torch.testing.assert_close(now[: len(before)], before, rtol=0, atol=1e-6)
    assert read_origin(out) == origin
    assert json.loads((out / "environment.json").read_text())["from"] == origin.words
    assert f"| continued from | {model} (fingerprint" in (out / "model" / "README.md").read_text()


def test_a_continued_run_resumes_without_from_and_ends_with_the_same_bits(inputs, tmp_path, monkeypatch):
    model, whole, parts = folder_of(tmp_path / "model", KmerTokenizer(k=3)), tmp_path / "whole", tmp_path / "parts"
    recipe, origin = asked(model, whole)
    pretrain(recipe, inputs, whole, origin=origin)
    train_one = loop.one_step

    def stopped(run, state, batch):
        train_one(run, state, batch)
        os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "one_step", stopped)
        with pytest.raises(Stopped):
            pretrain(recipe, inputs, parts, origin=origin)
    shutil.rmtree(model)  # the checkpoint has everything
    again, noted = asked(None, parts, resume=True)
    assert (again, noted) == (recipe, origin)
    pretrain(again, inputs, parts, origin=noted, resume=True)
    one, other = (load_file(out / "model" / "model.safetensors") for out in (whole, parts))
    assert all(torch.equal(x, other[name]) for name, x in one.items())
    losses = [
        [row.get("loss_nats_per_masked_token") for row in read_metrics(out / "metrics.jsonl")] for out in (whole, parts)
    ]
    assert losses[0] == losses[1]


def test_a_run_that_lost_its_model_before_the_first_checkpoint_says_so(inputs, tmp_path, monkeypatch):
    model, out = folder_of(tmp_path / "model", KmerTokenizer(k=3)), tmp_path / "run"
    recipe, origin = asked(model, out)
    with monkeypatch.context() as patch:
        patch.setattr(loop, "one_step", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            pretrain(recipe, inputs, out, origin=origin)
    weights = load_file(model / "model.safetensors")
    save_file({name: x + 1 for name, x in weights.items()}, model / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(SettingsError, match="no longer holds the weights that this run starts from"):
        pretrain(recipe, inputs, out, origin=read_origin(out), resume=True)


def test_another_origin_than_the_run_began_with_is_refused(inputs, tmp_path):
    model, out = folder_of(tmp_path / "model", KmerTokenizer(k=3)), tmp_path / "run"
    recipe, origin = asked(model, out)
    pretrain(recipe, inputs, out, origin=origin)
    other = folder_of(tmp_path / "other", KmerTokenizer(k=3), initializer_range=0.5)
    for asks in (asked(other, out)[1], None):
        with pytest.raises(
            SettingsError, match=r"holds a run that started from the model .*continue it without --from"
        ):
            pretrain(recipe, inputs, out, origin=asks, resume=True)
    assert read_config(out)[0] == recipe


def test_settings_that_contradict_the_model_are_refused_with_both_values(tmp_path):
    model = folder_of(tmp_path / "model", KmerTokenizer(k=3))
    for change, value in (("encoder.hidden_size=64", "32"), ("tokens.k=6", "3"), ('encoder.mlp="dense"', '"glu"')):
        key, _, given = change.partition("=")
        with pytest.raises(
            SettingsError, match=f"^{key} = {given} was asked for, but the model in .*model has {value}"
        ):
            asked(model, tmp_path / "run", change)
    with pytest.raises(
        SettingsError, match=r"^encoder.num_hidden_layers = \d+ was asked for.*also different: encoder.hidden"
    ):
        asked(model, tmp_path / "run", name="genome-base")
    asked(model, tmp_path / "run", "encoder.hidden_size=32", "tokens.k=3")


def test_another_stem_fraction_is_refused_and_the_models_is_the_default(inputs, tmp_path):
    model, out = folder_of(tmp_path / "model", KmerTokenizer(k=3), stem_width=3, stem_fraction=0.25), tmp_path / "run"
    with pytest.raises(
        SettingsError, match=r"^encoder.stem_fraction = 0.5 was asked for, but the model in .*model has 0.25; leave"
    ):
        asked(model, out, "encoder.stem_fraction=0.5")
    recipe, origin = asked(model, out)  # the default recipe says 0.5
    assert recipe.encoder.stem_fraction == 0.25
    pretrain(recipe, inputs, out, origin=origin)
    assert read_origin(out) == origin


def test_a_stem_fraction_may_be_set_for_a_model_without_a_stem(tmp_path):
    model = folder_of(tmp_path / "model", KmerTokenizer(k=3))
    assert asked(model, tmp_path / "run", "encoder.stem_fraction=0.5")[0].encoder.stem_width == 1


@pytest.mark.parametrize("stem", [{}, {"stem_width": 3, "stem_fraction": 0.25}, {"stem_width": 3}], ids=str)
def test_a_run_whose_note_lacks_the_fraction_of_its_stem_goes_on(stem, inputs, tmp_path):
    model, out = folder_of(tmp_path / "model", KmerTokenizer(k=3), **stem), tmp_path / "run"
    recipe, origin = asked(model, out)
    pretrain(recipe, inputs, out, origin=origin)
    config = out / "config.toml"
    settings, noted, origin_there = config.read_text().partition("[from.encoder]")
    lines = [line for line in origin_there.splitlines(keepends=True) if not line.startswith("stem_fraction")]
    config.write_text(settings + noted + "".join(lines))
    for folder in (None, model):
        again, found = asked(folder, out, "training.steps=6", resume=True)
        assert (again.encoder, found) == (recipe.encoder, origin)
        pretrain(again, inputs, out, origin=found, resume=True)
    assert read_config(out)[0].training.steps == 6


@pytest.mark.parametrize("k", [2, 4])
def test_a_k_that_gives_another_number_of_tokens_than_the_model_has_is_refused(k, inputs, tmp_path):
    recipe, origin = asked(folder_of(tmp_path / "model", None), tmp_path / "run", f"tokens.k={k}")
    with pytest.raises(SettingsError, match=rf"has vectors for 69 tokens, but the recipe has {4**k + 5}; set"):
        pretrain(recipe, inputs, tmp_path / "run", origin=origin)
    assert not (tmp_path / "run" / "config.toml").exists()


def test_bpe_words_are_read_from_the_models_own_folder(simulated, inputs, tmp_path):
    words = BpeTokenizer.learn(Genome.open([simulated.genome]), 64)
    words.save_pretrained(tmp_path / "words")
    model = folder_of(tmp_path / "model", words, vocab_size=len(words))
    recipe, origin = asked(model, tmp_path / "run", f"tokens.folder={tmp_path / 'words'}")
    assert recipe.tokens.folder == str(model)
    pretrain(recipe, inputs, tmp_path / "run", origin=origin)


def test_dnabert_2_goes_on_with_its_own_words_and_special_ids(inputs, tmp_path):
    words = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]", "A", "C", "G", "T", "AC", "GT", "ACGT"]
    merges = [("A", "C"), ("G", "T"), ("AC", "GT")]
    plain = Tokenizer(BPE({word: i for i, word in enumerate(words)}, merges, unk_token="[UNK]"))
    plain.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)])
    model, out = (
        folder_of(tmp_path / "model", None, "mosaicbert", vocab_size=len(words), pad_token_id=3),
        tmp_path / "run",
    )
    plain.save(str(model / "tokenizer.json"))
    recipe, origin = asked(model, out, "optimizer.learning_rate=1e-12")
    assert (recipe.tokens.folder, origin.beside["pad_token_id"]) == (str(model), 3)
    pretrain(recipe, inputs, out, origin=origin)
    now, before = (load_file(x / "model.safetensors")[WORDS] for x in (out / "model", model))
    torch.testing.assert_close(now[: len(before)], before, rtol=0, atol=1e-6)
    trained, tokenizer = open_model(out / "model")
    assert isinstance(tokenizer, BpeTokenizer)
    assert tokenizer("ACGTGT")["input_ids"] == plain.encode("ACGTGT").ids == [1, 11, 10, 2]
    assert (tokenizer.mask_token_id, tokenizer.pad_token_id, trained.config.pad_token_id) == (4, 3, 3)
    source = recipe.open_source(inputs, out)
    ids, bounds = source.train(0, 3)[:2]
    assert set(ids[bounds[:-1].long()].tolist()) == {1}
    assert set(ids[bounds[1:].long() - 1].tolist()) == {2}
    assert source.token_bases.mask_id == 4


def test_a_text_model_goes_on_with_its_pieces(tmp_path):
    pieces = [
        *SPECIAL,
        *"abcdefghijklmnopqrstuvwxyz",
        *(f"##{x}" for x in "abcdefghijklmnopqrstuvwxyz"),
        "1",
        "2",
        "12",
    ]
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text(
        "".join(json.dumps({"text": f"some words about {'abcdefghij'[i % 10] * 5} {i}"}) + "\n" for i in range(60))
    )
    model = folder_of(tmp_path / "model", BertTokenizer(vocab=vocabulary), "bert", vocab_size=len(pieces))
    changes = [x for x in QUICKER if not x.startswith("windows.")] + ["documents.max_tokens=32"]
    origin = origin_of(model, "text", tmp_path / "run", resume=False)
    recipe = chosen_recipe("text", "", changes, origin)
    pretrain(recipe, Inputs(corpus=(str(corpus),)), tmp_path / "run", origin=origin)
    assert (tmp_path / "run" / "vocab.txt").read_text().split() == pieces
    cased = folder_of(
        tmp_path / "cased", BertTokenizer(vocab=vocabulary, do_lower_case=False), "bert", vocab_size=len(pieces)
    )
    with pytest.raises(SettingsError, match="does not read text as bert-base-uncased's does"):
        origin_of(cased, "text", tmp_path / "x", resume=False)
    with pytest.raises(
        SettingsError, match="does not read plain DNA, so pretraining on a genome cannot continue from it"
    ):
        origin_of(model, "genome", tmp_path / "x", resume=False)
    with pytest.raises(SettingsError, match="comes with a KmerTokenizer"):
        origin_of(folder_of(tmp_path / "kmers", KmerTokenizer(k=3)), "text", tmp_path / "x", resume=False)


def test_a_folder_that_holds_no_such_model_is_one_clear_error(tmp_path):
    folder = folder_of(tmp_path / "model", KmerTokenizer(k=3))
    (folder / "tokenizer_config.json").write_text("{")
    (folder / "vocab.txt").unlink(missing_ok=True)
    with pytest.raises(UserError, match=r"its tokenizer cannot be opened .*copy the tokenizer's files again"):
        origin_of(folder, "genome", tmp_path / "run", resume=False)
    (folder / "config.json").write_text('{"model_type": "gpt2"}')
    with pytest.raises(UserError, match="gpt2"):
        origin_of(folder, "genome", tmp_path / "run", resume=False)


def test_a_damaged_note_of_the_origin_is_one_clear_error(inputs, tmp_path):
    out = tmp_path / "run"
    recipe, origin = asked(folder_of(tmp_path / "model", KmerTokenizer(k=3)), out)
    pretrain(dataclasses.replace(recipe), inputs, out, origin=origin)
    config = out / "config.toml"
    config.write_text(config.read_text().replace("fingerprint", "fingerprints"))
    with pytest.raises(SettingsError, match=r"has no complete table \[from\]; restore it"):
        read_origin(out)
