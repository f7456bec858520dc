"""Models named by their hub repository, and encoders of transformers' other classes."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import transformers

from genomask.data import KmerTokenizer
from genomask.errors import DataError, UserError
from genomask.fewshot.linear_first import start_linear
from genomask.files.inputs import is_hub_name
from genomask.inference.forward import logits
from genomask.inference.hub import found_model, open_model
from genomask.inference.models import load, places_of
from genomask.inference.pooling import VectorSettings, vectors
from genomask.inference.tokens import tokenise

SESSION = """
import json, os, sys
from pathlib import Path
from loopback_hub import serving
files = {path.name: path.read_bytes() for path in Path(sys.argv[1]).iterdir()}
files["modeling_evil.py"] = b"raise SystemExit"
repositories = {"lab/plain": files, "lab/other": {"README.md": b"no model"}}
with serving(repositories) as (url, asked):
    os.environ |= {"HF_ENDPOINT": url, "HF_HOME": sys.argv[2], "HF_HUB_OFFLINE": "0"}
    from genomask.errors import DataError, UserError
    from genomask.inference.hub import found_model
    found = [str(found_model("lab/plain")), str(found_model("lab/other"))]
    try:
        found_model("lab/absent")
    except UserError as problem:
        found.append(str(problem))
again = found_model("lab/plain")
print(json.dumps([*found, str(again), asked]))
"""


@pytest.fixture(scope="module")
def session(model_folder, tmp_path_factory):
    """What a process found on a hub of this machine."""
    arguments = [sys.executable, "-c", SESSION, str(model_folder), str(tmp_path_factory.mktemp("hf"))]
    tests = Path(__file__).parents[1]
    done = subprocess.run(arguments, cwd=tests, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_name_on_the_hub_is_downloaded_without_its_code_and_opens(session):
    plain, *_, asked = session
    assert not list(Path(plain).glob("*.py"))
    assert not [line for line in asked if "modeling_evil" in line]
    assert open_model(plain)[0].config.hidden_size == 32


def test_a_downloaded_model_is_found_again_when_the_hub_is_out_of_reach(session):
    plain, _, _, again, _ = session
    assert again == plain


def test_a_name_that_no_hub_has_is_one_clear_error(session):
    assert session[2].startswith("lab/absent: no such folder here, and no such model on the hub (")
    assert "HF_ENDPOINT" in session[2]
    assert "\n" not in session[2]


def test_only_an_owner_and_name_that_match_nothing_here_are_looked_up_on_a_hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    assert is_hub_name("lab/dna-bert_2.0")
    for text in ("model", "runs/typo", "./model", "/lab/x", "../x", "a/b/c", "lab/", "lab/-x", "lab/x y", ""):
        assert not is_hub_name(text), text
    assert found_model("runs/typo") == Path("runs/typo")


def test_without_a_connection_a_name_not_downloaded_before_is_one_clear_error(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=r"^lab/nowhere: no such folder here, and no such model on the hub"):
        found_model("lab/nowhere")


SIZES = {"vocab_size": 21, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
ESM = {"max_position_embeddings": 70, "mask_token_id": 4, "pad_token_id": 0}
ENCODERS = {
    "Esm": SIZES | ESM,  # Nucleotide Transformer
    "Roberta": SIZES | {"max_position_embeddings": 70, "pad_token_id": 0},
    "ModernBert": SIZES
    | {name: 0 for name in ("pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id")},
    "DistilBert": {"vocab_size": 21, "dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 24},
    "EuroBert": SIZES
    | {"num_key_value_heads": 2, "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3, "mask_token_id": 4},
}


@pytest.mark.parametrize("name", ENCODERS)
def test_encoders_of_other_classes_give_vectors_and_take_a_new_head(name, tmp_path):
    config = getattr(transformers, f"{name}Config")(**ENCODERS[name])
    getattr(transformers, f"{name}ForMaskedLM")(config).save_pretrained(tmp_path)
    KmerTokenizer(k=2).save_pretrained(tmp_path)
    assert vectors(load(tmp_path), ["ACGTAC", "ACGTACGGTA"], VectorSettings(), "x").shape == (2, 16)
    model, tokenizer = load(tmp_path, "classification", num_labels=3)
    tokens = tokenise(tokenizer, ["ACGTAC", "TTTTTTTT", "GGGC"], "x").tokens
    start_linear(model, tokens, np.arange(3))
    assert logits(model, tokens).argmax(1).tolist() == [0, 1, 2]


@pytest.mark.parametrize("name", ["Esm", "Roberta"])
def test_position_rows_up_to_that_of_padding_are_not_counted(name, tmp_path):
    config = getattr(transformers, f"{name}Config")(**ENCODERS[name])
    getattr(transformers, f"{name}ForMaskedLM")(config).save_pretrained(tmp_path)
    KmerTokenizer(k=2).save_pretrained(tmp_path)
    loaded = load(tmp_path)
    assert places_of(loaded.model) == loaded.tokenizer.model_max_length == 69  # rows 1 to 69 of 70
    assert vectors(loaded, ["A" * 68], VectorSettings(), "x").shape == (1, 16)
    with pytest.raises(DataError, match="x: example 1 has 70 tokens and this model takes 69"):
        vectors(loaded, ["A" * 69], VectorSettings(), "x")


def test_a_model_whose_vectors_would_depend_on_the_rest_of_the_batch_is_refused(tmp_path):
    transformers.FNetForMaskedLM(transformers.FNetConfig(**SIZES)).save_pretrained(tmp_path)
    KmerTokenizer(k=2).save_pretrained(tmp_path)
    with pytest.raises(UserError, match="a model of type 'fnet' takes no attention mask"):
        load(tmp_path)
