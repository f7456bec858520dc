import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import EsmTokenizer, PreTrainedTokenizerFast

from genomask.data import KmerTokenizer
from genomask.errors import DataError
from genomask.inference.models import load
from genomask.inference.tokens import check_lengths, tokenise


@pytest.mark.parametrize(("stride", "starts"), [(1, [0, 1, 2, 3]), (3, [0, 3])])
def test_kmers_know_the_bases_they_cover(stride, starts):
    tokenised = tokenise(KmerTokenizer(k=3, stride=stride), ["ACGTAC"], "file")
    assert tokenised.start.tolist() == [0, *starts, 0]
    assert tokenised.stop.tolist() == [0, *(start + 3 for start in starts), 0]


def test_our_quick_path_gives_the_tokenizers_own_ids():
    tokenizer = KmerTokenizer(k=3)
    tokenised = tokenise(tokenizer, ["ACGTNAC", "acgt"], "file")
    assert tokenised.tokens.input_ids.tolist() == [*tokenizer("ACGTNAC")["input_ids"], *tokenizer("acgt")["input_ids"]]


@settings(deadline=None)
@given(
    sequences=st.lists(st.text("ACGTN", min_size=4, max_size=20), min_size=1, max_size=5),
    shape=st.sampled_from([(1, 1), (3, 1), (3, 3), (4, 4)]),
)
def test_sequences_read_together_have_the_tokens_and_places_of_each_alone(sequences, shape):
    k, stride = shape
    tokenizer = KmerTokenizer(k=k, stride=stride)
    sequences = ["ACGT" * 40, *sequences]  # so less than half of all tokens are unknown
    found = tokenise(tokenizer, sequences, "file")
    ids, start, stop = [], [], []
    for sequence in sequences:
        of_one = range(0, len(sequence) - k + 1, stride)
        ids += tokenizer(sequence)["input_ids"]
        start += [0, *of_one, 0]
        stop += [0, *(at + k for at in of_one), 0]
    assert found.tokens.input_ids.tolist() == ids
    assert (found.start.tolist(), found.stop.tolist()) == (start, stop)
    assert found.letters.tolist() == [*map(len, sequences)]


def test_another_librarys_fast_tokenizer_gives_the_letters_of_its_tokens(bert_folder):
    tokenised = tokenise(load(bert_folder).tokenizer, ["ACGTA"], "file")
    assert tokenised.start.tolist() == [0, 0, 2, 4, 0]
    assert tokenised.stop.tolist() == [0, 2, 4, 5, 0]


def test_a_tokenizer_that_cannot_give_letters_counts_in_tokens(bert_folder, monkeypatch):
    tokenizer = load(bert_folder).tokenizer
    monkeypatch.setattr(type(tokenizer), "is_fast", False)
    tokenised = tokenise(tokenizer, ["ACGTA"], "file")
    assert tokenised.start.tolist() == [0, 0, 1, 2, 0]
    assert tokenised.letters.tolist() == [3]


def test_nucleotide_transformers_tokens_get_their_letters_from_their_spelling(tmp_path):
    words = ["<unk>", "<pad>", "<mask>", "<cls>", "<eos>", *map("".join, itertools.product("ATCG", repeat=3)), *"ATCGN"]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    tokenizer = EsmTokenizer(str(tmp_path / "vocab.txt"), eos_token=None)
    tokenised = tokenise(tokenizer, ["ACGTTAGC", "ACGNTAC"], "file")
    spelt = ["<cls>", "ACG", "TTA", "G", "C", "<cls>", "ACG", "N", "TAC"]
    assert tokenizer.convert_ids_to_tokens(tokenised.tokens.input_ids.tolist()) == spelt
    assert tokenised.start.tolist() == [0, 0, 3, 6, 7, 0, 0, 3, 4]
    assert tokenised.stop.tolist() == [0, 3, 6, 7, 8, 0, 3, 4, 7]
    assert tokenised.letters.tolist() == [8, 7]


@pytest.mark.parametrize("stride", [1, 3])
def test_a_sequence_without_a_token_is_named(stride):
    sequences = ["ACGTACG", "AC", "ACGTT", ""]
    with pytest.raises(DataError, match="file: example 2 is 'AC', which gives no token"):
        tokenise(KmerTokenizer(k=3, stride=stride), sequences, "file")
    with pytest.raises(DataError, match="file: row b is 'AC', which gives no token"):
        tokenise(KmerTokenizer(k=3, stride=stride), sequences, "file", ["row a", "row b", "row c", "row d"])


def test_a_tokenizer_that_lost_its_unknown_token_is_named():
    plain = Tokenizer(WordLevel({"AC": 0}, unk_token="[UNK]"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=plain, name_or_path="a/folder")
    with pytest.raises(DataError, match=r"^a/folder: its tokenizer cannot read these sequences \(.*UNK.*\); copy the"):
        tokenise(tokenizer, ["GT"], "task.tsv")


def test_a_file_that_is_mostly_unknown_to_the_tokenizer_is_refused(bert_folder):
    tokenizer = load(bert_folder).tokenizer
    with pytest.raises(DataError, match=r"test.tsv: 67% of the tokens are \[UNK\]"):
        tokenise(tokenizer, ["XXXX", "AC"], "test.tsv")
    assert len(tokenise(tokenizer, ["XXAC"], "test.tsv").letters) == 1


def test_a_gap_of_the_genome_does_not_count_against_the_tokenizer(bert_folder):
    for tokenizer in (load(bert_folder).tokenizer, KmerTokenizer(k=3)):
        tokenised = tokenise(tokenizer, ["NNNNNN", "NNACGT"], "regions.bed")
        assert tokenizer.unk_token_id in tokenised.tokens.input_ids


def test_a_text_with_an_n_is_judged_like_any_other(text_model_folder):
    tokenizer = load(text_model_folder).tokenizer
    with pytest.raises(DataError, match=r"x.txt: \d+% of the tokens are \[UNK\]"):
        tokenise(tokenizer, ["\N{SNOWMAN} n \N{SNOWMAN}"], "x.txt")


def test_three_texts_are_not_read_as_a_pair(text_model_folder):
    with pytest.raises(DataError, match=r"here: 'so\\tit\\tis' holds 3 texts"):
        tokenise(load(text_model_folder).tokenizer, ["so\tit", "so\tit\tis"], "here")


def test_too_long_a_sequence_is_refused_only_where_positions_are_limited(bert_folder, model_folder):
    for folder, refused in ((bert_folder, True), (model_folder, False)):
        model, tokenizer = load(folder)
        tokenised = tokenise(tokenizer, ["ACGT" * 300], "test.tsv")
        if refused:
            with pytest.raises(DataError, match=r"test.tsv: example 1 has 602 tokens and this model takes 16"):
                check_lengths(model, tokenizer, tokenised, "test.tsv")
        else:
            check_lengths(model, tokenizer, tokenised, "test.tsv")


def test_a_model_takes_as_many_tokens_as_it_has_positions_and_its_tokenizer_allows(bert_folder):
    model, tokenizer = load(bert_folder)
    for length, said in ((28, None), (30, "17 tokens and this model takes 16")):
        tokenised = tokenise(tokenizer, ["AC" * (length // 2)], "test.tsv")
        if said is None:
            check_lengths(model, tokenizer, tokenised, "test.tsv")
            tokenizer.model_max_length = 15
            said = "16 tokens and this model takes 15"
        with pytest.raises(DataError, match=said):
            check_lengths(model, tokenizer, tokenised, "test.tsv")
        tokenizer.model_max_length = 16
