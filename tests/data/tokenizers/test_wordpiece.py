"""Word pieces: BERT's own results, a vocabulary learned from text, and what masking knows of it."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers.normalizers import BertNormalizer
from transformers import AutoTokenizer

from genomask.data.tokenizers.documents import DocumentTokenizer
from genomask.data.tokenizers.vocabularies import vocabulary_of_files
from genomask.data.tokenizers.wordpiece import (
    token_bases_of,
    train_wordpiece,
    wordpiece_tokenizer,
)
from genomask.errors import DataError, SettingsError

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SENTENCES = ["the cat sat on the mat", "a bat sat on the hat of a cat", "Cats, hats and mats!"] * 10


@pytest.fixture
def tokenizer(tmp_path):
    return wordpiece_tokenizer(train_wordpiece(SENTENCES, 256, tmp_path / "words" / "vocab.txt"))


def test_berts_vocabulary_file_gives_berts_tokens(shared_data):
    tokenizer = wordpiece_tokenizer(shared_data / "text" / "bert-base-uncased-vocab.txt")
    ids = tokenizer("Unaffable, naïve [MASK]!")["input_ids"]
    assert tokenizer.convert_ids_to_tokens(ids) == [
        *("[CLS]", "una", "##ffa", "##ble", ",", "naive", "[MASK]", "!", "[SEP]")
    ]
    assert (ids[0], ids[1], ids[-1], tokenizer.mask_token_id, len(tokenizer)) == (101, 14477, 102, 103, 30522)


def test_a_trained_vocabulary_knows_frequent_words_and_is_the_same_each_time(tokenizer, tmp_path):
    assert tokenizer.convert_ids_to_tokens(range(5)) == SPECIALS
    assert tokenizer.tokenize("The CAT sat") == ["the", "cat", "sat"]
    again = train_wordpiece(SENTENCES, 256, tmp_path / "again.txt").read_text()
    assert again.splitlines() == tokenizer.convert_ids_to_tokens(range(len(tokenizer)))


def test_a_saved_tokenizer_opens_through_the_auto_class(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path / "saved")
    again = AutoTokenizer.from_pretrained(tmp_path / "saved")
    assert again("the hats")["input_ids"] == tokenizer("the hats")["input_ids"]


def test_masking_knows_which_ids_are_words_and_which_may_be_masked(tokenizer):
    size = len(tokenizer) + 3
    bases = token_bases_of(tokenizer, size)
    pieces = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    assert (bases.k, bases.stride, bases.mask_id, bases.of_bases, bases.of_kmers) == (1, 1, 4, False, False)
    assert bases.maskable.tolist() == [piece not in SPECIALS for piece in pieces] + [False] * 3
    assert bases.word_start.tolist()[: len(pieces)] == [not piece.startswith("##") for piece in pieces]
    assert bases.n_bases.tolist() == [0, 1, 0, 0, 1] + [1] * (len(pieces) - 5) + [0] * 3
    assert bases.letters.shape == (size, 0)


def test_only_the_first_characters_of_a_large_corpus_are_learned_from(tmp_path, monkeypatch):
    monkeypatch.setattr("genomask.data.tokenizers.wordpiece.LEARNING_CHARACTERS", 20)

    def texts():
        yield from SENTENCES[:2]
        raise AssertionError("read beyond the sample")

    assert "cat\n" in train_wordpiece(texts(), 256, tmp_path / "vocab.txt").read_text()


def test_a_word_of_a_million_letters_is_learned_from_in_parts_and_is_unknown(tmp_path):
    word = "acgt" * 250_000  # learning from it whole would take minutes
    path = train_wordpiece([*SENTENCES, word], 256, tmp_path / "vocab.txt")
    tokenizer = wordpiece_tokenizer(path)
    assert max(map(len, tokenizer.get_vocab())) <= 100 + len("##")
    unknown = [tokenizer.cls_token_id, tokenizer.unk_token_id, tokenizer.sep_token_id]
    assert DocumentTokenizer(tokenizer, 16).truncated([word]) == [unknown]
    assert DocumentTokenizer(tokenizer, 16).split([word]) == [[unknown]]


def test_a_learned_vocabulary_is_cached_and_learned_again_if_damaged(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("GENOMASK_CACHE", str(tmp_path / "cache"))
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text("".join(json.dumps({"text": text}) + "\n" for text in SENTENCES))
    path = vocabulary_of_files([corpus], 256)
    whole = path.read_text()
    path.write_text(whole.replace("cat", "dog"))
    assert vocabulary_of_files([corpus], 256).read_text() == whole
    assert "it is rebuilt" in caplog.text
    monkeypatch.setattr(
        "genomask.data.tokenizers.vocabularies.train_wordpiece", lambda *_: pytest.fail("learned again")
    )
    assert vocabulary_of_files([corpus], 256) == path


@pytest.mark.parametrize("max_tokens", [3, 8, 20, 500])
def test_cutting_before_tokenising_changes_nothing(tokenizer, max_tokens):
    texts = [" ".join(SENTENCES), "cat" * 300, "", " " * 400 + "the cat", "zzzzzzzzzzzz " * 40, "cat"]
    expected = tokenizer(texts, truncation=True, max_length=max_tokens)["input_ids"]
    assert DocumentTokenizer(tokenizer, max_tokens).truncated(texts) == expected


WORDS = st.sampled_from(["the", "cat", "zzz", "caf\u00e9", "\u0301", "\u732b", "[MASK]", "\n", "\t", "'s,", "C" * 30])
TEXTS = st.lists(WORDS, max_size=60).map(" ".join) | st.text(max_size=80)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(TEXTS, max_size=4), longest=st.integers(3, 12))
def test_ids_of_the_first_letters_are_those_of_the_whole_text_cut(tokenizer, texts, longest):
    expected = [tokenizer(text, truncation=True, max_length=longest)["input_ids"] for text in texts]
    assert DocumentTokenizer(tokenizer, longest).truncated(texts) == expected


ODD_LETTERS = "aceHMTSt  '#.[]\t\n\r\v\f\x00\x1c\x1f\x7f\x85\xa0\xad\u00e9\u0130\u0301\u2028\u212a\u732b\ufffd"
ODD_TEXTS = st.text(ODD_LETTERS, max_size=40) | st.text(st.characters(max_codepoint=127), max_size=40) | TEXTS


@pytest.fixture(params=["uncased", "cased", "with words added", "with accents"])
def any_tokenizer(request, tokenizer):
    if request.param == "cased":
        tokenizer.backend_tokenizer.normalizer = BertNormalizer(lowercase=False)
    elif request.param == "with accents":
        tokenizer.backend_tokenizer.normalizer = BertNormalizer(strip_accents=False, clean_text=False)
    elif request.param == "with words added":
        tokenizer.add_tokens(["at Ca", "Th"])
    return tokenizer


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(ODD_TEXTS | st.just("The Cat Cats"), max_size=4))
def test_ids_of_odd_texts_are_those_that_the_tokenizer_gives_when_called(any_tokenizer, texts):
    assert DocumentTokenizer(any_tokenizer, 50).truncated(texts) == [
        any_tokenizer(text, truncation=True, max_length=50)["input_ids"] for text in texts
    ]


def test_a_bad_vocabulary_file_is_a_clear_error(tmp_path):
    path = tmp_path / "vocab.txt"
    for text, message in [
        ("\n".join([*SPECIALS, "a", "a"]), "line 7: the piece 'a' appears twice, first on line 6"),
        ("\n".join(["a", *SPECIALS[:-1]]), r"no line '\[MASK\]'"),
        ("", "the file is empty"),
    ]:
        path.write_text(text)
        with pytest.raises(DataError, match=message):
            wordpiece_tokenizer(path)
    with pytest.raises(DataError, match="no such file"):
        wordpiece_tokenizer(tmp_path / "absent.txt")
    with pytest.raises(SettingsError, match="vocab_size must be at least 256, got 10"):
        train_wordpiece(SENTENCES, 10, path)
