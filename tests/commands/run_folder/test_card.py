"""The card in a model folder: data that the hub reads, facts of the run, and code that loads the model as printed."""

import json
import re
import subprocess
import sys
from dataclasses import asdict

import pytest
import torch
from huggingface_hub import ModelCard

from genomask.commands.export import export
from genomask.commands.run_folder.card import run_card
from genomask.commands.run_folder.mask_choice import rate_words
from genomask.data import KmerTokenizer
from genomask.data.opening import Inputs
from genomask.data.tokenizers.wordpiece import wordpiece_tokenizer
from genomask.encoders import MosaicBertConfig, MosaicBertForMaskedLM
from genomask.training.baselines import Baselines
from genomask.training.environment import describe_environment

SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}


def code_of(folder):
    """The code in the card, with the path of this folder."""
    card = ModelCard.load(folder / "README.md")
    (code,) = re.findall(r"```python\n(.*?)```", card.text, re.DOTALL)
    return code.replace("path/to/this/folder", str(folder))


def logits_by_the_card(folder):
    names = {}
    exec(code_of(folder), names)  # what a reader of the card would paste
    return names["logits"]


def saved(folder, tokenizer, **form):
    torch.manual_seed(0)
    model = MosaicBertForMaskedLM(MosaicBertConfig(vocab_size=len(tokenizer), **SIZES, **form)).eval()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model


def test_a_runs_card_names_its_data_strategy_and_scores_and_its_code_loads_the_model(quick_recipe, tmp_path):
    scores = {"eval_loss_nats_per_masked_token": 3.21, "eval_bits_per_hidden_base": 1.9}
    scores |= {"eval_bits_below_order_0": 0.05, "eval_bits_per_hidden_base_standard_error": 0.01}
    (tmp_path / "metrics.jsonl").write_text(json.dumps({"step": 20, "tokens": 4321, **scores}) + "\n")
    (tmp_path / "baselines.json").write_text(json.dumps(asdict(Baselines(4.16, 4.0, order_0_bits=1.95))))
    where = describe_environment(torch.device("cpu"), "bf16", "sdpa", compiled=False)
    (tmp_path / "environment.json").write_text(json.dumps(where))
    model = saved(tmp_path / "model", KmerTokenizer(k=3))
    words = Inputs(genome=("/home/me/yeast.fa",)).words
    card = run_card(quick_recipe, words, "abc", model, tmp_path)
    (tmp_path / "model" / "README.md").write_text(card)
    header = ModelCard(card).data
    assert (header.library_name, header.pipeline_tag, header.license) == ("genomask", "fill-mask", None)
    assert {"dna", "mosaicbert"} < set(header.tags)
    assert "/home/me" not in card  # a path reveals its owner
    strategy = f"`{quick_recipe.masking.strategy}`, {rate_words(quick_recipe.masking)} asked for"
    for said in (
        "yeast.fa (fingerprint abc)",
        strategy,
        "4,321 tokens seen",
        "3.210",
        "order-0 1.95",
        "on cpu in bf16",
    ):
        assert said in card
    expected = model(**KmerTokenizer(k=3)("ACGTACGTACGT", return_tensors="pt")).logits
    torch.testing.assert_close(logits_by_the_card(tmp_path / "model"), expected)
    for lost in ("eval_bits_below_order_0", "eval_loss_nats_per_masked_token"):
        rest = {name: x for name, x in scores.items() if name != lost}
        (tmp_path / "metrics.jsonl").write_text(json.dumps({"step": 20, "tokens": 4321, **rest}) + "\n")
        damaged = run_card(quick_recipe, words, "abc", model, tmp_path)
        assert "The records of the run were damaged: metrics.jsonl" in damaged


@pytest.mark.parametrize(
    ("scheme", "form", "library"),
    [("mosaicbert", {}, "genomask"), ("bert", {"positions": "learned", "mlp": "dense"}, "transformers")],
)
@pytest.mark.parametrize(("k", "stride"), [(1, 1), (4, 1), (6, 1), (6, 6)])
def test_the_code_in_an_exported_card_loads_the_model(k, stride, scheme, form, library, tmp_path):
    model = saved(tmp_path / "model", KmerTokenizer(k=k, stride=stride), **form)
    (tmp_path / "model" / "README.md").write_text("---\ntags: [dna, mosaicbert]\n---\n# Yeast\n")
    export(tmp_path / "model", scheme, tmp_path / "out")
    card = ModelCard.load(tmp_path / "out" / "README.md")
    assert (card.data.library_name, card.data.tags) == (library, ["dna", scheme])
    assert (f"(here k = {k})" in card.text) == (stride == 1)
    dna = "ACGTACGTACGT"[: k + 1] if scheme == "bert" and stride == 1 else "ACGTACGTACGT"
    expected = model(**KmerTokenizer(k=k, stride=stride)(dna, return_tensors="pt")).logits
    torch.testing.assert_close(logits_by_the_card(tmp_path / "out"), expected, rtol=1e-5, atol=1e-5)


def test_the_code_in_a_text_models_card_reads_text(tmp_path):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "few", "words"]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    saved(tmp_path / "model", wordpiece_tokenizer(str(tmp_path / "vocab.txt")))
    export(tmp_path / "model", "mosaicbert", tmp_path / "out")
    assert logits_by_the_card(tmp_path / "out").shape == (1, 5, 8)


def test_an_old_card_is_kept_except_for_its_library_and_loading_code(tmp_path):
    saved(tmp_path / "model", KmerTokenizer(k=1))
    (tmp_path / "model" / "README.md").write_text(
        "---\nlicense: mit\nlibrary_name: other\n---\n# Yeast\n\nMine.\n\n## How to load it\n\nold lines\n\n"
        "## Data\n\nS288C\n"
    )
    export(tmp_path / "model", "mosaicbert", tmp_path / "out")
    card = ModelCard.load(tmp_path / "out" / "README.md")
    assert (card.data.license, card.data.library_name) == ("mit", "genomask")
    assert "old lines" not in card.text
    assert card.text.strip().startswith("# Yeast\n\nMine.\n\n## How to load it\n\nThese are the parameter names")
    assert card.text.strip().endswith("## Data\n\nS288C")


@pytest.mark.parametrize("header", ["a: [", "- 1\n- 2", "license: [mit", "tags: 3"])
def test_an_old_card_with_an_odd_header_loses_only_that_header(header, tmp_path):
    saved(tmp_path / "model", KmerTokenizer(k=1))
    (tmp_path / "model" / "README.md").write_text(f"---\n{header}\n---\n# Yeast\n")
    export(tmp_path / "model", "mosaicbert", tmp_path / "out")
    card = ModelCard.load(tmp_path / "out" / "README.md")
    assert card.data.library_name == "genomask"
    assert "# Yeast" in card.text


IN_A_PLAIN_PROCESS = """
import sys
import torch
from transformers import AutoModel, AutoModelForMaskedLM, AutoModelForSequenceClassification
mosaicbert, bert = sys.argv[1:]
for auto in (AutoModel, AutoModelForMaskedLM, AutoModelForSequenceClassification):
    try:
        auto.from_pretrained(mosaicbert)
    except ValueError as problem:
        assert "model type `mosaicbert` but Transformers does not recognize this architecture" in str(problem)
    else:
        raise AssertionError("opened a MosaicBERT as something else")
model = AutoModelForMaskedLM.from_pretrained(bert)
torch.save(model(input_ids=torch.arange(2, 60)[None]).logits, bert + "/logits.pt")
assert "genomask" not in sys.modules
"""


def test_without_our_code_a_mosaicbert_is_refused_and_a_bert_is_right(tmp_path):
    saved(tmp_path / "ours", KmerTokenizer(k=3))
    export(tmp_path / "ours", "mosaicbert", tmp_path / "mosaicbert")
    model = saved(tmp_path / "ours-dense", KmerTokenizer(k=3), positions="learned", mlp="dense")
    export(tmp_path / "ours-dense", "bert", tmp_path / "bert")
    folders = [str(tmp_path / "mosaicbert"), str(tmp_path / "bert")]
    done = subprocess.run([sys.executable, "-c", IN_A_PLAIN_PROCESS, *folders], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    expected = model(input_ids=torch.arange(2, 60)[None]).logits
    assert (torch.load(tmp_path / "bert" / "logits.pt", weights_only=True) - expected).abs().max() < 2e-5
