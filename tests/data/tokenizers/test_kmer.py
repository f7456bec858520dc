"""KmerTokenizer: DNABERT's ids, the vectorised path, and life as a transformers tokenizer."""

import itertools
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genomask.data import KmerTokenizer
from genomask.data.bases import base_codes
from genomask.data.tokenizers.base import DnaTokenizer
from genomask.data.tokenizers.kmer import CLS, MASK, PAD, SEP, UNK
from genomask.errors import DataError, SettingsError

TOKENIZERS = {(k, stride): KmerTokenizer(k, stride) for k in range(1, 6) for stride in {1, k}}


def plain_tokens(sequence, k, stride):
    """The slow, obvious twin: one string slice a token."""
    words = [sequence[i : i + k].upper().replace("U", "T") for i in range(0, len(sequence) - k + 1, stride)]
    return [word if set(word) <= set("ACGT") else "[UNK]" for word in words]


@settings(deadline=None, max_examples=150)
@given(sequence=st.text("ACGTUacgtuNnRß-", max_size=60), which=st.sampled_from(sorted(TOKENIZERS)))
def test_calling_and_encoding_bases_agree_with_plain_python(sequence, which):
    tokenizer, vocab = TOKENIZERS[which], TOKENIZERS[which].get_vocab()
    expected = [vocab[token] for token in plain_tokens(sequence, *which)]
    assert tokenizer(sequence)["input_ids"] == [CLS, *expected, SEP]
    assert tokenizer.encode_bases(base_codes(sequence)).tolist() == expected


def test_ids_are_those_of_dnabert():
    vocab = KmerTokenizer(k=3).get_vocab()
    assert [vocab[x] for x in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "AAA", "AAT", "ACG", "GGG")] == [
        *(PAD, UNK, CLS, SEP, MASK),
        *(5, 6, 16, 68),
    ]
    assert list(vocab) == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + [
        "".join(x) for x in itertools.product("ATCG", repeat=3)
    ]


def test_rna_is_read_as_dna_as_in_tables_and_fasta():
    tokenizer = KmerTokenizer(k=4)
    assert tokenizer("ACGUacgu") == tokenizer("ACGTACGT")
    assert tokenizer("ACGU CGUA") == tokenizer("ACGT CGTA")
    assert UNK not in tokenizer("ACGUACGU")["input_ids"]


def test_equally_long_windows_encoded_together_equal_those_encoded_one_by_one():
    tokenizer = KmerTokenizer(k=4)
    codes = np.random.default_rng(0).integers(0, 5, (7, 33)).astype(np.uint8)
    one_by_one = np.stack([tokenizer.encode_bases(row) for row in codes])
    np.testing.assert_array_equal(tokenizer.encode_bases(codes), one_by_one)
    assert one_by_one.dtype == np.int64


@pytest.mark.parametrize(("k", "stride"), [(1, 1), (4, 1), (4, 4)])
def test_windows_of_any_length_encoded_together_equal_those_encoded_one_by_one(k, stride):
    tokenizer, rng = KmerTokenizer(k=k, stride=stride), np.random.default_rng(0)
    windows = [rng.integers(0, 5, n).astype(np.uint8) for n in (9, 0, 3, 16, 4, 15, 1)]
    found = tokenizer.encode_windows(windows, np.arange(7))
    expected = [[CLS, *tokenizer.encode_bases(codes).tolist(), SEP] for codes in windows]
    assert [ids.tolist() for ids in found.input_ids.split(found.lengths.tolist())] == expected
    assert found.weights.tolist() == list(range(7))


@pytest.mark.parametrize("weights", [np.ones(3), np.ones(1), np.ones((4, 1)), []])
def test_each_window_has_one_weight(weights):
    windows = [base_codes("ACGTACGT")] * 4
    for encode in (KmerTokenizer(k=3).encode_windows, partial(DnaTokenizer.encode_windows, KmerTokenizer(k=3))):
        with pytest.raises(SettingsError, match=r"weights of shape .* for 4 sequences; give each one weight"):
            encode(windows, weights)


def test_the_remainder_is_dropped_where_kmers_do_not_overlap():
    assert KmerTokenizer(k=3, stride=3).tokenize("ACGTTTAC") == ["ACG", "TTT"]
    assert KmerTokenizer(k=3).tokenize("AC") == []


def test_kmers_separated_by_spaces_are_taken_as_tokens():
    tokenizer = KmerTokenizer(k=3)
    assert tokenizer("ACG CGT GTA") == tokenizer("ACGTA")
    assert tokenizer.tokenize(" acg ttt\n") == ["ACG", "TTT"]
    assert tokenizer(["ACG", "CGT"], is_split_into_words=True)["input_ids"] == tokenizer("ACGT")["input_ids"]
    with pytest.raises(DataError, match="k-mers of 3 letters, but 'ACGT' has 4"):
        tokenizer("ACG ACGT")


def test_special_tokens_may_occur_in_the_text_and_decoding_restores_it():
    tokenizer = KmerTokenizer(k=3)
    ids = tokenizer("ACGT[MASK]ACGTN", add_special_tokens=False)["input_ids"]
    assert tokenizer.convert_ids_to_tokens(ids) == ["ACG", "CGT", "[MASK]", "ACG", "CGT", "[UNK]"]
    assert tokenizer(tokenizer.decode(ids), add_special_tokens=False)["input_ids"] == ids
    assert tokenizer.decode([CLS, 16, SEP], skip_special_tokens=True) == "ACG"


def test_added_tokens_count_and_survive_saving(tmp_path):
    tokenizer = KmerTokenizer(k=3)
    assert tokenizer.add_tokens(["<exon>", "<intron>"]) == 2
    assert tokenizer.add_special_tokens({"additional_special_tokens": ["<gap>"]}) == 1
    tokenizer.save_pretrained(tmp_path)
    for each in (tokenizer, KmerTokenizer.from_pretrained(tmp_path)):
        assert (len(each), each.vocab_size) == (72, 69)
        assert [each.get_vocab()[token] for token in ("ACG", "<exon>", "<intron>", "<gap>")] == [16, 69, 70, 71]
        assert each("ACG<exon>ACGT<gap>")["input_ids"] == [CLS, 16, 69, 16, 50, 71, SEP]
        assert each.convert_ids_to_tokens([69, 71, 16]) == ["<exon>", "<gap>", "ACG"]


def test_a_batch_is_padded_truncated_and_marked():
    batch = KmerTokenizer(k=3)(
        ["ACGTACG", "ACG"],
        padding=True,
        truncation=True,
        max_length=5,
        return_tensors="pt",
        return_special_tokens_mask=True,
    )
    assert batch["input_ids"].tolist() == [[CLS, 16, 50, 57, SEP], [CLS, 16, SEP, PAD, PAD]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]
    assert batch["special_tokens_mask"].tolist() == [[1, 0, 0, 0, 1], [1, 0, 1, 1, 1]]
    assert not batch["token_type_ids"].any()


def test_the_largest_vocabulary_survives_saving_and_is_written_one_token_a_line(tmp_path):
    tokenizer = KmerTokenizer(k=8)
    tokenizer.save_pretrained(tmp_path)
    again = KmerTokenizer.from_pretrained(tmp_path)
    assert (again.k, again.stride, len(again)) == (8, 1, 65541)
    assert again.get_vocab() == tokenizer.get_vocab()
    lines = (tmp_path / "vocab.txt").read_text().splitlines()
    assert lines == list(tokenizer.get_vocab())


@pytest.mark.parametrize(("k", "stride"), [(1, 1), (2, 2), (6, 1)])
def test_token_bases_state_what_each_id_covers(k, stride):
    tokenizer = KmerTokenizer(k, stride)
    bases = tokenizer.token_bases
    assert (bases.k, bases.stride, bases.mask_id, bases.of_bases, bases.of_kmers) == (k, stride, MASK, True, True)
    assert bases.maskable.tolist() == [False] * 5 + [True] * 4**k
    assert bases.n_bases.tolist() == [0, k, 0, 0, k] + [k] * 4**k
    assert bases.word_start.all()
    assert bases.letters[:5].eq(4).all()
    words = ["".join("ACGT"[x] for x in row) for row in bases.letters[5:].tolist()]
    assert words == list(tokenizer.get_vocab())[5:]
    lexicographic = [tokenizer.get_vocab()["".join(x)] for x in itertools.product("ACGT", repeat=k)]
    assert bases.kmer_ids.tolist() == lexicographic
    assert (bases.letters.dtype, bases.kmer_ids.dtype, bases.n_bases.dtype) == (torch.uint8, torch.int64, torch.int64)
    assert tokenizer.token_bases is bases


def test_a_k_that_does_not_fit_is_refused_with_its_size():
    with pytest.raises(SettingsError, match=r"k = 9 would take 262,149 tokens .*0\.8 GB.*from 1 to 8"):
        KmerTokenizer(k=9)
    for k in (0, 600, 10**20):
        with pytest.raises(SettingsError, match=f"from 1 to 8, got {k}"):
            KmerTokenizer(k=k)
    for wrong in ("4", 4.0, True, None):
        with pytest.raises(SettingsError, match=f"^k must be a whole number, got {wrong!r}"):
            KmerTokenizer(k=wrong)
    assert KmerTokenizer(k=np.int64(4)).k == 4
    with pytest.raises(SettingsError, match=r"^stride must be a whole number, got '1'"):
        KmerTokenizer(stride="1")
    with pytest.raises(SettingsError, match=r"stride must be 1 .*got 2"):
        KmerTokenizer(k=6, stride=2)


@pytest.mark.parametrize(
    ("k", "stride", "sequence", "offsets"),
    [
        (3, 1, "ACGTA", [(0, 0), (0, 3), (1, 4), (2, 5), (0, 0)]),
        (3, 3, "ACGTACG", [(0, 0), (0, 3), (3, 6), (0, 0)]),
        (3, 1, "ACG CGT [MASK] TAC", [(0, 0), (0, 3), (1, 4), (2, 5), (3, 6), (0, 0)]),
        (3, 1, " acgN\n", [(0, 0), (0, 3), (1, 4), (0, 0)]),
        (3, 1, "AC", [(0, 0), (0, 0)]),
    ],
)
def test_offsets_are_the_bases_a_token_covers(k, stride, sequence, offsets):
    encoding = KmerTokenizer(k, stride)(sequence, return_offsets_mapping=True)
    assert encoding["offset_mapping"] == offsets
    assert encoding["input_ids"] == KmerTokenizer(k, stride)(sequence)["input_ids"]
    assert "special_tokens_mask" not in encoding


@pytest.mark.parametrize(("side", "kept"), [("right", [(0, 3), (1, 4)]), ("left", [(6, 9), (7, 10)])])
def test_offsets_follow_truncation_and_padding(side, kept):
    tokenizer = KmerTokenizer(3, truncation_side=side, padding_side="left", model_max_length=4)
    rows = tokenizer(
        ["ACGTACGTAC", "ACG"], truncation=True, padding=True, return_offsets_mapping=True, return_tensors="pt"
    )
    assert rows["input_ids"].shape == (2, 4)
    assert rows["offset_mapping"].tolist() == [
        [[0, 0], *map(list, kept), [0, 0]],
        [[0, 0], [0, 0], [0, 3], [0, 0]],
    ]
    one = tokenizer("ACGTACGTAC", truncation=True, return_offsets_mapping=True, return_tensors="pt")
    assert one["offset_mapping"].tolist() == rows["offset_mapping"][:1].tolist()
    bare = tokenizer("ACGTA", add_special_tokens=False, return_offsets_mapping=True, return_special_tokens_mask=True)
    assert bare["offset_mapping"] == [(0, 3), (1, 4), (2, 5)]
    assert bare["special_tokens_mask"] == [0, 0, 0]


@pytest.mark.parametrize(
    ("sequence", "more"),
    [("ACGTA[MASK]ACGT", {}), ("ACGT", {"text_pair": "ACGT"}), (["ACG"], {"is_split_into_words": True})],
)
def test_offsets_that_would_not_be_bases_are_refused(sequence, more):
    with pytest.raises(DataError, match="offsets in bases exist only for"):
        KmerTokenizer(3)(sequence, return_offsets_mapping=True, **more)


def test_truncation_cuts_to_what_bert_takes_unless_asked_otherwise(tmp_path):
    assert len(KmerTokenizer(6)("A" * 900, truncation=True)["input_ids"]) == 512
    KmerTokenizer(6, model_max_length=700).save_pretrained(tmp_path)
    assert len(KmerTokenizer.from_pretrained(tmp_path)("A" * 900, truncation=True)["input_ids"]) == 700
