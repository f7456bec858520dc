import json
import shutil
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertForMaskedLM, BertTokenizerFast

from genomask.data import KmerTokenizer
from genomask.encoders import EncoderSettings, MosaicBertConfig, MosaicBertForMaskedLM
from genomask.errors import DataError, UserError
from genomask.files.digests import write_weights_digest
from genomask.inference.hub import open_as_ours, open_model


@pytest.fixture(scope="module")
def kmer_folder(tmp_path_factory):
    """A model of ours with its 2-mer tokenizer."""
    folder = tmp_path_factory.mktemp("kmer")
    tokenizer = KmerTokenizer(k=2)
    settings = EncoderSettings(num_hidden_layers=1, hidden_size=16, num_attention_heads=2, intermediate_size=16)
    torch.manual_seed(0)
    MosaicBertForMaskedLM(settings.config(len(tokenizer.get_vocab()))).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def copy(kmer_folder, tmp_path):
    """A copy of the folder, to be spoilt."""
    return Path(shutil.copytree(kmer_folder, tmp_path / "model"))


@pytest.mark.parametrize(
    ("head", "settings", "shape"),
    [("masked-lm", {}, (1, 5, 21)), ("classification", {"num_labels": 4}, (1, 4)), ("encoder", {}, (1, 5, 16))],
)
def test_our_folder_opens_with_every_head(kmer_folder, head, settings, shape):
    model, tokenizer = open_model(kmer_folder, head=head, **settings)
    with torch.no_grad():
        out = model(**tokenizer("ACGT", return_tensors="pt"))
    assert (out.last_hidden_state if head == "encoder" else out.logits).shape == shape
    assert not model.training


def test_any_other_encoder_folder_opens(tmp_path):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat"]
    (tmp_path / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    BertTokenizerFast(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertForMaskedLM(BertConfig(vocab_size=len(words), **sizes)).save_pretrained(tmp_path)
    for head in ("masked-lm", "encoder", "classification"):
        model, tokenizer = open_model(tmp_path, head=head)
        assert model(**tokenizer("the cat", return_tensors="pt"))
    BertForMaskedLM(BertConfig(vocab_size=len(words) - 1, **sizes)).save_pretrained(tmp_path)
    with pytest.raises(UserError, match="ids up to 6, the model vectors for 6 tokens"):
        open_model(tmp_path)


def test_a_bert_from_before_configs_had_a_model_type_opens_with_the_settings_given(tmp_path):
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    saved = BertForMaskedLM(BertConfig(vocab_size=21, **sizes)).eval()
    saved.save_pretrained(tmp_path)
    KmerTokenizer(k=2).save_vocabulary(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    del config["model_type"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    model, tokenizer = open_model(tmp_path)
    batch = tokenizer("ACGTA", return_tensors="pt")
    expected = saved(**batch).logits
    assert torch.equal(model(**batch).logits, expected)
    assert torch.allclose(open_as_ours(tmp_path)(**batch).logits, expected, atol=1e-5)
    classifier, _ = open_model(tmp_path, head="classification", num_labels=3, hidden_dropout_prob=0.25)
    assert classifier(**batch).logits.shape == (1, 3)
    assert classifier.config.hidden_dropout_prob == 0.25


@pytest.mark.parametrize("said", [{}, {"architectures": None}, {"architectures": ["GPT2LMHeadModel"]}], ids=str)
def test_where_a_config_does_not_name_its_kind_of_model_the_error_asks_for_model_type(copy, said):
    config = json.loads((copy / "config.json").read_text())
    config = {name: x for name, x in config.items() if name not in ("model_type", "architectures")} | said
    (copy / "config.json").write_text(json.dumps(config))
    for opened in (open_model, open_as_ours):
        with pytest.raises(UserError, match='has no model_type; if this is a BERT, add "model_type": "bert"'):
            opened(copy)


def edit_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def cut_short(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def leave_only_model(folder):
    for path in folder.iterdir():
        if path.name not in ("config.json", "model.safetensors"):
            path.unlink()


SPOILT = {
    "no config": (lambda folder: (folder / "config.json").unlink(), r"no model here \(no config.json\)"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "config.json but no weights"),
    "no tokenizer": (leave_only_model, "the tokenizer of this model cannot be opened"),
    "cut short": (cut_short, "the weights are damaged or cut short"),
    "not JSON": (lambda folder: (folder / "config.json").write_text("{"), "not a valid JSON file"),
    "wider config": (lambda folder: edit_config(folder, hidden_size=32), "in the shape its config requires"),
    "deeper config": (lambda folder: edit_config(folder, num_hidden_layers=2), r"lack bert\.encoder\.layer\.1\."),
    "unknown kind": (lambda folder: edit_config(folder, model_type="frobnicate"), "frobnicate"),
    "a decoder": (lambda folder: edit_config(folder, model_type="gpt2"), "Unrecognized configuration class"),
    "odd value": (lambda folder: edit_config(folder, num_attention_heads="two"), "num_attention_heads must be a whole"),
}


@pytest.mark.parametrize("case", SPOILT)
def test_a_spoilt_folder_is_refused_in_one_line(copy, case):
    spoil, message = SPOILT[case]
    spoil(copy)
    with pytest.raises(UserError, match=message) as problem:
        open_model(copy)
    assert "\n" not in str(problem.value)


@pytest.mark.parametrize("head", ["masked-lm", "classification", "encoder"])
def test_weights_that_do_not_match_the_digest_beside_them_are_refused(copy, head):
    write_weights_digest(copy)
    open_model(copy, head=head)
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[-1001] ^= 1  # slightly changes one number
    (copy / "model.safetensors").write_bytes(weights)
    for opened in (partial(open_model, head=head), open_as_ours):
        with pytest.raises(DataError, match=r"model\.safetensors: differs from what was written"):
            opened(copy)


def test_a_folder_without_the_head_asked_for_is_refused(kmer_folder, copy):
    model, _ = open_model(kmer_folder, head="encoder")
    model.save_pretrained(copy)
    with pytest.raises(UserError, match=r"lack cls\.predictions\.decoder\.bias"):
        open_model(copy)


@pytest.mark.parametrize("head", ["masked-lm", "classification", "encoder"])
@pytest.mark.parametrize(
    ("had", "lost", "left"),
    [
        ({"stem_width": 5}, "stem_width", "embeddings.stem.tables.weight"),
        ({"positions": "learned"}, "positions", "embeddings.position_embeddings.weight"),
        ({"num_hidden_layers": 2}, "num_hidden_layers", "encoder.layer.1.attention.output.LayerNorm.bias"),
    ],
)
def test_weights_that_the_config_does_not_ask_for_are_refused(copy, head, had, lost, left):
    config = json.loads((copy / "config.json").read_text())
    kept = {name: config[name] for name in ("vocab_size", "hidden_size", "num_attention_heads", "intermediate_size")}
    MosaicBertForMaskedLM(MosaicBertConfig(**kept | {"num_hidden_layers": 1} | had)).save_pretrained(copy)
    config = json.loads((copy / "config.json").read_text())
    config[lost] = {"stem_width": 1, "positions": "alibi", "num_hidden_layers": 1}[lost]
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=rf"the weights hold (bert\.)?{left}, which config.json does not ask for"):
        open_model(copy, head=head)


def test_code_inside_a_folder_is_never_run(copy, tmp_path):
    trace = tmp_path / "ran"
    (copy / "evil.py").write_text(f"open({str(trace)!r}, 'w')\nModel = Config = None\n")
    edit_config(copy, model_type="evil", auto_map={"AutoConfig": "evil.Config", "AutoModelForMaskedLM": "evil.Model"})
    with pytest.raises(UserError, match="custom code"):
        open_model(copy)
    assert not trace.exists()


def test_the_hub_itself_imports_nothing_heavy():
    source = Path(sys.modules["genomask.inference.hub"].__file__).read_text()
    top = [line for line in source.splitlines() if line.startswith(("import ", "from "))]
    assert not [line for line in top if "torch" in line or "transformers" in line]
