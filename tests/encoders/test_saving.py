"""What transformers 5 silently breaks in a custom model: every check of loading runs in a fresh process."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from originals import original_checkpoint
from safetensors import safe_open
from safetensors.torch import save_file
from tiny_encoders import packed_input, tiny_model
from transformers import BertTokenizerFast, pipeline

from genomask.data import KmerTokenizer
from genomask.encoders.bridges import from_mosaicbert

ROOT = Path(__file__).resolve().parents[2]


def run_fresh(script, *arguments):
    """Run a script in a new Python; returns what it printed, or fails with its traceback."""
    command = [sys.executable, "-c", script, *(str(x) for x in arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


LOADING = """
import sys, torch
import transformers.models.auto.modeling_auto, transformers.models.auto.tokenization_auto
import genomask  # after them; tests/test_auto_classes.py imports it first
assert "genomask.encoders" not in sys.modules
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM, AutoModelForSequenceClassification, AutoTokenizer
torch.set_grad_enabled(False)  # as where the expected values come from: attention rounds otherwise where it is trained
for folder in sys.argv[1:]:
    expected = load_file(folder + "/expected.safetensors")
    torch.manual_seed(123)
    model = AutoModelForMaskedLM.from_pretrained(folder)
    assert type(model).__name__ == "MosaicBertForMaskedLM" and not model.training
    assert model.cls.predictions.decoder.weight is model.bert.embeddings.word_embeddings.weight
    assert len(model.cls.predictions.decoder.weight) == len(expected["embedding"])
    assert torch.equal(model.bert.embeddings.word_embeddings.weight, expected["embedding"])
    assert torch.equal(model(input_ids=expected["input_ids"]).logits, expected["logits"])
    encoder = AutoModel.from_pretrained(folder)
    assert type(encoder).__name__ == "MosaicBertModel"
    assert torch.equal(encoder(input_ids=expected["input_ids"]).last_hidden_state, expected["hidden"])
    classifier = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=3)
    for name, parameter in classifier.bert.named_parameters():
        if "pooler" not in name:
            assert torch.equal(parameter, model.bert.get_parameter(name)), name
    assert 0.01 < classifier.classifier.weight.std() < 0.03 and not classifier.classifier.bias.any()
    assert AutoConfig.from_pretrained(folder).vocab_size == 70
    assert type(AutoTokenizer.from_pretrained(folder)).__name__ == "KmerTokenizer"
    print("ok")
"""


def save_with_answers(model, folder):
    """Save the model with a tokeniser, and beside them what the model computes."""
    model.save_pretrained(folder)
    KmerTokenizer(k=3).save_pretrained(folder)
    input_ids = packed_input([9])[0][None]
    with torch.no_grad():
        logits, hidden = model(input_ids=input_ids).logits, model.bert(input_ids=input_ids).last_hidden_state
        embedding = model.bert.embeddings.word_embeddings.weight.clone()
    answers = {"input_ids": input_ids, "logits": logits, "hidden": hidden, "embedding": embedding}
    save_file(answers, folder / "expected.safetensors")
    return folder


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder with a saved model and what it computed."""
    return save_with_answers(
        tiny_model(num_attention_heads=6, hidden_dropout_prob=0.1), tmp_path_factory.mktemp("ours")
    )


@pytest.fixture(scope="module")
def bridged(tmp_path_factory):
    """The same for an original checkpoint whose embedding has two rows more than its vocabulary."""
    return save_with_answers(
        from_mosaicbert(*original_checkpoint(72, vocab_size=70)), tmp_path_factory.mktemp("theirs")
    )


def test_a_fresh_process_loads_tied_bit_equal_weights_and_the_right_slopes(saved, bridged):
    assert run_fresh(LOADING, saved, bridged).split() == ["ok", "ok"]


def test_the_file_holds_the_embedding_once_and_no_slopes(saved):
    with safe_open(saved / "model.safetensors", "pt") as file:
        names = set(file.keys())
    assert "bert.embeddings.word_embeddings.weight" in names
    assert "cls.predictions.decoder.weight" not in names
    assert not [name for name in names if "alibi" in name or "slope" in name]


def test_new_weights_are_drawn_as_bert_draws_them():
    from tiny_encoders import tiny_config

    from genomask.encoders import MosaicBertForMaskedLM

    torch.manual_seed(0)
    model = MosaicBertForMaskedLM(tiny_config(vocab_size=600))
    for name, parameter in model.named_parameters():
        if "norm" in name.lower():
            assert parameter.eq(0 if name.endswith("bias") else 1).all(), name
        elif name.endswith("bias"):
            assert not parameter.any(), name
        elif "token_type" not in name:
            assert parameter.std().item() == pytest.approx(0.02, rel=0.1), name
    assert not model.bert.embeddings.word_embeddings.weight[0].any()


def test_the_fill_mask_pipeline_runs_on_a_saved_folder(tmp_path):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "dog", "sat", "lay", "down", "##s"]
    (tmp_path / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    BertTokenizerFast(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    tiny_model(vocab_size=len(words)).save_pretrained(tmp_path)
    answers = pipeline("fill-mask", str(tmp_path))("the cat [MASK] down")
    assert len(answers) == 5
    assert all(0 <= answer["token"] < 12 for answer in answers)
    assert 0 < sum(answer["score"] for answer in answers) <= 1
