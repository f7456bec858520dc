"""A model that cannot read a task, judged by its tokenizer, is refused before anything is written."""

import re
from dataclasses import replace

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import BPE, WordLevel
from transformers import BertTokenizer, PreTrainedTokenizerFast

from genomask.data import KmerTokenizer
from genomask.data.tokenizers.kmer import SPECIAL_TOKENS
from genomask.encoders import MosaicBertConfig, MosaicBertForMaskedLM
from genomask.errors import DataError, SettingsError, UserError
from genomask.fewshot.protocol import FewShotSettings
from genomask.fewshot.run import run_fewshot
from genomask.inference.pooling import VectorSettings
from genomask.inference.vocabulary import refuse_text

SETTINGS = FewShotSettings(shots=(3,), draws=2, methods=("probe", "kmer-logreg"))
ENGLISH = [
    *SPECIAL_TOKENS,
    *"abcdefghijklmnopqrstuvwxyz",
    *(f"##{x}" for x in "abcdefghijklmnopqrstuvwxyz"),
    "the",
    "cat",
]


def bert_tokenizer(words) -> BertTokenizer:
    return BertTokenizer(vocab={word: number for number, word in enumerate(words)}, do_lower_case=True)


@pytest.fixture
def text_folder(tmp_path):
    """A model of English as `pretrain --corpus` leaves it: it knows every letter of DNA, so none becomes [UNK]."""
    folder = tmp_path / "english"
    tokenizer = bert_tokenizer(ENGLISH)
    assert tokenizer.unk_token not in tokenizer.tokenize("ACGTACGT")
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    MosaicBertForMaskedLM(MosaicBertConfig(vocab_size=len(ENGLISH), **sizes)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def measure(pool, test_task, tmp_path):
    own = {"strategy": "unknown", "pretraining_seed": -1, "progress": lambda *_: None}
    return lambda folder, settings=SETTINGS, test=test_task: run_fewshot(
        folder, pool, test, settings, out=tmp_path / "results", **own
    )


def test_a_model_of_text_is_refused_and_leaves_nothing_that_binds_the_corrected_call(
    measure, text_folder, model_folder, tmp_path
):
    with pytest.raises(UserError, match=r"english: this is not a model of DNA: 13 of the 54 words .* made of A C G T"):
        measure(text_folder)
    assert not (tmp_path / "results").exists()
    assert len(measure(model_folder)) == 4


def test_a_sequence_that_gives_no_token_leaves_nothing_either(measure, model_folder, test_task, tmp_path):
    center = FewShotSettings(
        shots=(3,), draws=2, methods=("kmer-logreg", "probe"), vectors=VectorSettings(pooling="center")
    )
    sequences = [test_task.sequences[0], "AC", *test_task.sequences[2:]]
    tiny = test_task.__class__("toy", sequences, test_task.labels, test_task.classes, test_task.path)
    with pytest.raises(DataError, match="example 2 is 'AC', which gives no token"):
        measure(model_folder, center, tiny)
    in_a_table = replace(tiny, rows=tuple(range(2, 2 + len(sequences))))
    with pytest.raises(DataError, match="row 3 is 'AC', which gives no token"):
        measure(model_folder, center, in_a_table)
    assert not (tmp_path / "results").exists()
    assert len(measure(model_folder)) == 4  # another test file and another pooling


def test_settings_of_earlier_measurements_still_bind(measure, model_folder):
    measure(model_folder)
    with pytest.raises(SettingsError, match="another setting 'pooling'"):
        measure(
            model_folder,
            FewShotSettings(shots=(3,), draws=2, methods=("probe",), vectors=VectorSettings(pooling="cls")),
        )


def test_the_floor_alone_needs_no_model_of_dna(measure, text_folder):
    assert len(measure(text_folder, FewShotSettings(shots=(3,), draws=2, methods=("kmer-logreg",)))) == 2


@pytest.mark.parametrize(
    "words",
    [
        list(KmerTokenizer(k=3).get_vocab()),
        [*SPECIAL_TOKENS, *"ACGTN"],
        [*SPECIAL_TOKENS, "A", "C", "G", "T", "##AC", "ĠTATA", "▁GCG", "<extra>"],
    ],
    ids=["dnabert, between spaces", "letters", "pieces"],
)
def test_vocabularies_of_dna_pass(words, tmp_path):
    assert refuse_text(bert_tokenizer(words), tmp_path) is None
    for model in (WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"), None):
        plain = Tokenizer(model or BPE(vocab={word: i for i, word in enumerate(words)}, merges=[], unk_token="[UNK]"))
        assert refuse_text(PreTrainedTokenizerFast(tokenizer_object=plain, unk_token="[UNK]"), tmp_path) is None


@pytest.mark.parametrize(
    "words", [ENGLISH, [*SPECIAL_TOKENS, *"ACDEFGHIKLMNPQRSTVWYBXZUO"]], ids=["English", "protein"]
)
def test_vocabularies_of_other_than_dna_are_refused(words, tmp_path):
    with pytest.raises(UserError, match=re.escape(f"{tmp_path}: this is not a model of DNA")):
        refuse_text(bert_tokenizer(words), tmp_path)
