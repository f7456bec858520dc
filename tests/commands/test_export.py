import json
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, BertConfig, BertForMaskedLM, BertTokenizer

from genomask.cli import app as cli
from genomask.commands.export import export, export_note
from genomask.data import KmerTokenizer
from genomask.data.tokenizers.saved import open_tokenizer
from genomask.encoders import EncoderSettings, MosaicBertConfig, MosaicBertForMaskedLM
from genomask.encoders.bridges import EXPORTS
from genomask.encoders.config import MLPS, POSITIONS
from genomask.errors import DataError, SettingsError, UserError
from genomask.inference.hub import open_model

SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
INPUT_IDS = torch.tensor([[2, 20, 7, 68, 9, 3]])


@pytest.fixture
def model_folder(tmp_path):
    """A model of ours over 3-mers."""
    torch.manual_seed(0)
    folder = tmp_path / "model"
    MosaicBertForMaskedLM(MosaicBertConfig(vocab_size=69, **SIZES)).save_pretrained(folder)
    KmerTokenizer(k=3).save_pretrained(folder)
    return folder


@pytest.fixture
def bert_folder(tmp_path):
    """transformers' own BERT over DNABERT's 3-mers."""
    torch.manual_seed(0)
    folder = tmp_path / "bert"
    BertForMaskedLM(BertConfig(vocab_size=69, **SIZES)).save_pretrained(folder)
    KmerTokenizer(k=3).save_vocabulary(folder)
    return folder


def genomask(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["genomask", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return end.value.code


def test_the_verb_writes_a_folder_that_opens_with_the_same_logits(model_folder, tmp_path, monkeypatch, capsys):
    out = tmp_path / "exported"
    assert genomask(monkeypatch, "export", "--model", model_folder, "--to", "mosaicbert", "--out", out) in (0, None)
    assert "tensors under mosaicbert's names, with its tokenizer" in capsys.readouterr().out.replace("\n", "")
    assert json.loads((out / "config.json").read_text())["model_type"] == "mosaicbert"
    before, after = open_model(model_folder), open_model(out)
    assert torch.equal(before[0](input_ids=INPUT_IDS).logits, after[0](input_ids=INPUT_IDS).logits)
    assert after[1].get_vocab() == before[1].get_vocab()


def test_bert_there_and_back_loads_strictly_in_transformers_with_every_tensor_bit_equal(bert_folder, tmp_path):
    export(bert_folder, "bert", tmp_path / "out")
    written = load_file(tmp_path / "out" / "model.safetensors")
    theirs = BertForMaskedLM.from_pretrained(bert_folder)
    assert all(torch.equal(written[name], x) for name, x in theirs.state_dict().items())
    config = BertConfig.from_pretrained(tmp_path / "out")
    assert config.attention_probs_dropout_prob == 0.0  # ours has none
    strict = BertForMaskedLM(config)
    strict.load_state_dict(written, strict=True)
    loaded, found = BertForMaskedLM.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not any(found.values())
    expected = theirs(input_ids=INPUT_IDS).logits
    assert torch.equal(strict.eval()(input_ids=INPUT_IDS).logits, expected)
    assert torch.equal(loaded(input_ids=INPUT_IDS).logits, expected)
    assert (tmp_path / "out" / "vocab.txt").read_text() == (bert_folder / "vocab.txt").read_text()


@pytest.mark.parametrize("types", [("bfloat16",), ("float16",), ("bfloat16", "float32")], ids=str)
@pytest.mark.parametrize("scheme", ["mosaicbert", "bert"])
def test_a_checkpoint_of_one_type_keeps_it_and_one_of_several_becomes_float32(
    scheme, types, model_folder, bert_folder, tmp_path
):
    folder = tmp_path / "full"
    export(model_folder if scheme == "mosaicbert" else bert_folder, scheme, folder)
    to = [getattr(torch, name) for name in types]
    tensors = load_file(folder / "model.safetensors").items()
    saved = {name: torch.randn_like(x).to(to[-1]) if "LayerNorm" in name else x.to(to[0]) for name, x in tensors}
    save_file(saved, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        DataError, match=r"differs from what was written.*if the weights were changed on purpose, remove"
    ):
        export(folder, scheme, tmp_path / "out")
    (folder / "model.safetensors.sha256").unlink()
    export(folder, scheme, tmp_path / "out")
    written = load_file(tmp_path / "out" / "model.safetensors")
    assert {x.dtype for x in written.values()} == {to[-1]}
    assert all(torch.equal(written[name], x.to(to[-1])) for name, x in saved.items())


@pytest.mark.parametrize(
    ("kind", "written"),
    [(torch.bfloat16, torch.bfloat16), (torch.float16, torch.float16), (torch.float64, torch.float32)],
    ids=str,
)
def test_our_own_model_is_written_in_its_half_precision_and_never_in_double(kind, written, model_folder, tmp_path):
    MosaicBertForMaskedLM.from_pretrained(model_folder).type(kind).save_pretrained(model_folder)
    export(model_folder, "mosaicbert", tmp_path / "out")
    assert {x.dtype for x in load_file(tmp_path / "out" / "model.safetensors").values()} == {written}


def test_overlapping_kmers_are_written_as_dnaberts_and_neighbouring_ones_as_ours(model_folder, tmp_path):
    export(model_folder, "mosaicbert", tmp_path / "overlapping")
    theirs = AutoTokenizer.from_pretrained(tmp_path / "overlapping")
    assert isinstance(theirs, BertTokenizer)
    assert theirs.model_max_length == KmerTokenizer(k=3).model_max_length == 512
    ours = open_tokenizer(tmp_path / "overlapping")
    assert theirs("ACG CGT")["input_ids"] == ours("ACGT")["input_ids"] == KmerTokenizer(k=3)("ACGT")["input_ids"]
    KmerTokenizer(k=3, stride=3).save_pretrained(model_folder)
    export(model_folder, "mosaicbert", tmp_path / "neighbouring")
    assert open_tokenizer(tmp_path / "neighbouring").stride == 3


def test_a_tokenizer_class_that_is_not_a_name_is_written_unchanged(model_folder, tmp_path):
    path = model_folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"tokenizer_class": {}}))
    export(model_folder, "mosaicbert", tmp_path / "out")
    assert json.loads((tmp_path / "out" / path.name).read_text())["tokenizer_class"] == {}


def test_a_model_without_a_tokenizer_is_written_without_one(model_folder, tmp_path):
    for path in model_folder.iterdir():
        if path.name not in ("config.json", "model.safetensors"):
            path.unlink()
    assert "without a tokenizer" in export(model_folder, "mosaicbert", tmp_path / "out")
    weights = {"model.safetensors", "model.safetensors.sha256"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"config.json", "README.md", *weights}


@pytest.mark.parametrize("positions", POSITIONS)
@pytest.mark.parametrize("mlp", MLPS)
def test_an_encoder_that_no_scheme_can_express_is_reported_before_it_is_trained(positions, mlp):
    settings = EncoderSettings(positions=positions, mlp=mlp, **SIZES)
    model = MosaicBertForMaskedLM(settings.config(vocab_size=9))
    note = export_note(settings)
    if writable := [name for name, scheme in EXPORTS.items() if writes(scheme, model)]:
        assert note == ""
        assert len(writable) == 1
    else:
        assert f"positions={positions} and mlp={mlp} opens only in genomask" in note
        assert "mosaicbert: encoder.positions=alibi encoder.mlp=glu" in note


def writes(scheme, model):
    try:
        scheme.write(model)
    except SettingsError:
        return False
    return True


def test_a_mistake_is_one_clear_error_and_leaves_nothing_behind(model_folder, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    assert genomask(monkeypatch, "export", "--model", model_folder, "--to", "bert", "--out", out) == 2
    said = capsys.readouterr().err
    assert "positions=alibi and mlp=glu cannot be written as BERT" in said
    assert len(said.splitlines()) == 1
    with pytest.raises(SettingsError, match="'gpt' is not a name scheme; use one of: mosaicbert, bert"):
        export(model_folder, "gpt", out)
    with pytest.raises(UserError, match="no model here"):
        export(tmp_path / "nowhere", "bert", out)
    assert not out.exists()
    with pytest.raises(SettingsError, match="already exists"):
        export(model_folder, "mosaicbert", model_folder)
    assert (model_folder / "model.safetensors").is_file()
