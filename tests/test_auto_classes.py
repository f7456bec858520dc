"""After `import genomask`, transformers' Auto classes know ours, and nothing heavy was loaded."""

import copy
import subprocess
import sys

import pytest

from genomask.auto_classes import Waiting
from genomask.data import KmerTokenizer
from genomask.encoders import MosaicBertConfig, MosaicBertForMaskedLM

LIGHT = """
import sys, genomask
assert not {"transformers", "torch", "numpy"} & set(sys.modules)
"""
OPENING = """
from transformers import AutoConfig, AutoModelForMaskedLM, AutoTokenizer
assert "genomask.encoders" not in sys.modules
tokenizer = AutoTokenizer.from_pretrained(sys.argv[2])
assert type(tokenizer).__name__ == "KmerTokenizer"
print(tokenizer.k, tokenizer.stride, tokenizer("ACGTTTTTGG")["input_ids"], tokenizer.mask_token_id, len(tokenizer))
assert type(AutoConfig.from_pretrained(sys.argv[1])).__name__ == "MosaicBertConfig"
assert type(AutoModelForMaskedLM.from_pretrained(sys.argv[1])).__name__ == "MosaicBertForMaskedLM"
assert type(AutoTokenizer.from_pretrained(sys.argv[1])).__name__ == "KmerTokenizer"
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A model folder with its tokenizer, and a folder with a tokenizer alone."""
    model, tokenizer = tmp_path_factory.mktemp("model"), tmp_path_factory.mktemp("tokenizer")
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    MosaicBertForMaskedLM(MosaicBertConfig(vocab_size=21, **sizes)).save_pretrained(model)
    KmerTokenizer(k=2).save_pretrained(model)
    KmerTokenizer(k=4, stride=4).save_pretrained(tokenizer)
    return [str(model), str(tokenizer)]


def test_a_fresh_process_opens_saved_folders_after_importing_genomask_alone(folders):
    """Here genomask is imported before transformers; tests/encoders/test_saving.py imports it after."""
    command = [sys.executable, "-c", LIGHT + OPENING, *folders]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    vocab = KmerTokenizer(k=4).get_vocab()
    assert done.stdout.strip() == f"4 4 [2, {vocab['ACGT']}, {vocab['TTTT']}, 3] 4 261"


def test_waiting_names_act_as_our_classes():
    config = Waiting("genomask.encoders", "MosaicBertConfig")
    assert config(vocab_size=7).vocab_size == 7
    assert config.model_type == "genomask-mosaicbert"
    assert Waiting("genomask.data", "KmerTokenizer").from_pretrained is not None


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_waiting_name_can_be_copied(copied):
    assert copied(Waiting("genomask.encoders", "MosaicBertConfig")).model_type == "genomask-mosaicbert"
