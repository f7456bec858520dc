import json

import pytest
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.processors import TemplateProcessing
from transformers import BertTokenizer

from genomask.data import KmerTokenizer
from genomask.data.tokenizers.saved import kmer_size, open_tokenizer

BERT_CONFIG = json.dumps({"model_type": "bert"})


def dnaberts_words(k):
    """The words of DNABERT's vocab.txt, built letter by letter."""
    kmers = [""]
    for _ in range(k):
        kmers = [start + letter for start in kmers for letter in "ATCG"]
    return ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *kmers]


@pytest.fixture
def bpe_folder(tmp_path):
    """DNABERT-2's files: a BPE in tokenizer.json, its special tokens in another order than BERT's, a BERT config."""
    vocabulary = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]", "A", "C", "G", "T", "AC", "GT", "ACGT"]
    ids = {token: i for i, token in enumerate(vocabulary)}
    plain = Tokenizer(BPE(ids, [("A", "C"), ("G", "T"), ("AC", "GT")], unk_token="[UNK]"))
    plain.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)])
    plain.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "config.json").write_text(BERT_CONFIG)
    return tmp_path


@pytest.mark.parametrize("k", [1, 3, 4, 6])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_dnaberts_vocabulary_is_read_as_overlapping_kmers(k, ends, tmp_path):
    (tmp_path / "vocab.txt").write_bytes(ends.join(dnaberts_words(k)).encode())
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": false, "max_len": 512, "init_inputs": []}')
    (tmp_path / "config.json").write_text(BERT_CONFIG)
    tokenizer = open_tokenizer(tmp_path)
    assert isinstance(tokenizer, KmerTokenizer)
    assert (tokenizer.k, tokenizer.stride) == (k, 1)
    assert tokenizer("ACGTAC" * 2)["input_ids"][1] == dnaberts_words(k).index("ACGTAC"[:k])


def test_the_same_vocabulary_saved_by_transformers_is_recognised_too(tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join(dnaberts_words(3)))
    theirs = BertTokenizer.from_pretrained(tmp_path)
    again = tmp_path / "again"
    theirs.save_pretrained(again)
    assert isinstance(open_tokenizer(again), KmerTokenizer)


def test_our_own_tokenizer_keeps_its_stride(tmp_path):
    KmerTokenizer(k=3, stride=3).save_pretrained(tmp_path)
    assert open_tokenizer(tmp_path).stride == 3


def test_other_words_or_another_order_are_no_kmer_vocabulary():
    words = dnaberts_words(3)
    assert kmer_size(words) == 3
    assert kmer_size([*words[:5], *sorted(words[5:])]) is None
    assert kmer_size(words[:-1]) is None
    assert kmer_size([]) is None


@pytest.mark.parametrize("said", [None, {}, {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "[UNK]"}])
def test_a_bpe_stays_a_bpe_whether_its_class_is_named_or_not(said, bpe_folder):
    if said is not None:
        (bpe_folder / "tokenizer_config.json").write_text(json.dumps(said))
    tokenizer = open_tokenizer(bpe_folder)
    assert tokenizer("ACGTGT").tokens() == ["[CLS]", "ACGT", "GT", "[SEP]"]
    assert tokenizer.unk_token_id == 0
    if not said:
        assert (tokenizer.pad_token_id, tokenizer.mask_token_id, tokenizer.cls_token_id) == (3, 4, 1)


@pytest.mark.parametrize("length", ["x", [1], True, 0, -1, float("nan")])
def test_a_model_max_length_that_is_no_number_of_tokens_is_refused(length, tmp_path):
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"model_max_length": length}))
    (tmp_path / "config.json").write_text(BERT_CONFIG)
    with pytest.raises(ValueError, match=r"model_max_length in tokenizer_config\.json is .*, not a number of tokens"):
        open_tokenizer(tmp_path)
