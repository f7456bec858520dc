"""BPE: words learned from a genome, which every loader reads back unchanged."""

import itertools

import numpy as np
import pytest
from tokenizers import Tokenizer, models
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from genomask.data.bases import base_codes, letters_of
from genomask.data.genome import Genome
from genomask.data.intervals import intersect
from genomask.data.sources import GenomeSource
from genomask.data.tokenizers import bpe
from genomask.data.tokenizers.base import CLS, MASK, PAD, SEP, SPECIAL_NAMES, SPECIAL_TOKENS, UNK, DnaTokenizer
from genomask.data.tokenizers.bpe import BpeTokenizer
from genomask.data.tokenizers.kmer import KmerTokenizer
from genomask.data.tokenizers.saved import open_tokenizer
from genomask.data.windows import WindowSettings
from genomask.errors import DataError, SettingsError

MOTIF = "GATTACAGATTACC"
LEARN = bpe.learn_rules


def random_sequence(size: int, seed: int) -> str:
    return "".join(np.random.default_rng(seed).choice(list("ACGT"), size))


def genome_of(*sequences: str) -> Genome:
    codes = np.concatenate([base_codes(sequence) for sequence in sequences])
    offsets = np.cumsum([0, *map(len, sequences)])
    ends = np.flatnonzero(np.diff(codes < 4, prepend=False, append=False))
    runs = [run for a, b in itertools.pairwise(offsets) for run in intersect(ends.reshape(-1, 2), np.array([[a, b]]))]
    names = [f"r{number}" for number in range(len(sequences))]
    nothing = np.zeros((0, 2), dtype=np.int64)
    return Genome(codes, names, offsets, np.array(runs).reshape(-1, 2), repeats=nothing, fingerprint="")


def with_motif(size: int, seed: int) -> str:
    return "".join(random_sequence(50, seed + i) + MOTIF for i in range(size // (50 + len(MOTIF))))


@pytest.fixture(scope="module")
def genome():
    return genome_of(with_motif(20_000, 1), with_motif(6_000, 900))


@pytest.fixture(scope="module")
def tokenizer(genome):
    return BpeTokenizer.learn(genome, 200)


def test_common_stretches_become_words_and_ids_begin_with_the_special_tokens(tokenizer):
    assert len(tokenizer) == 200
    assert tokenizer.convert_tokens_to_ids(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]) == [PAD, UNK, CLS, SEP, MASK]
    assert any(MOTIF in word for word in tokenizer.tokenize("CCC" + MOTIF + "TGT"))
    assert isinstance(tokenizer, DnaTokenizer)


def test_the_same_genome_gives_the_same_words(genome, tokenizer):
    assert BpeTokenizer.learn(genome, 200).learned == tokenizer.learned
    assert BpeTokenizer.learn(genome, 100).learned != tokenizer.learned


def test_no_learned_word_is_longer_than_the_limit():
    repeats = genome_of("ACGTTGCA" * 2_000)
    words = BpeTokenizer.learn(repeats, 100).get_vocab()
    assert max(len(word) for word in words if "[" not in word) <= bpe.LONGEST_WORD


def test_no_window_to_learn_from_crosses_n_or_the_end_of_a_record(monkeypatch):
    seen = []
    monkeypatch.setattr(bpe, "learn_rules", lambda sample, size: seen.extend(sample) or LEARN(seen, size))
    left, right = "A" * 700, "C" * 600
    BpeTokenizer.learn(genome_of(left + "N" + right, "G" * 600), 12)
    assert sorted({frozenset(window) for window in seen}, key=min) == [{"A"}, {"C"}, {"G"}]


def test_the_sample_has_a_fixed_size_whatever_the_genome(monkeypatch, genome):
    monkeypatch.setattr(bpe, "SAMPLE_BASES", 4 * bpe.SAMPLE_WINDOW)
    seen = []
    monkeypatch.setattr(bpe, "learn_rules", lambda sample, size: seen.extend(sample) or LEARN(seen, size))
    BpeTokenizer.learn(genome, 30)
    assert [len(window) for window in seen] == [bpe.SAMPLE_WINDOW] * 4


@pytest.mark.parametrize(("sequence", "error", "words"), [
    ("ACGT" * 10, DataError, "no run of ACGT of 512 bases"), ("N" * 2_000, DataError, "no run of ACGT of 512 bases"),
])  # fmt: skip
def test_a_genome_with_nothing_to_learn_from_is_refused(sequence, error, words):
    with pytest.raises(error, match=words):
        BpeTokenizer.learn(genome_of(sequence), 100)


def test_no_word_is_learned_that_occurs_only_once():
    sequence = random_sequence(bpe.SAMPLE_WINDOW, 3)
    learned = BpeTokenizer.learn(genome_of(sequence), 2_000)
    words = set(learned.get_vocab()) - set(learned.all_special_tokens)
    assert 40 < len(words) < 200
    assert all(sequence.find(word) != sequence.rfind(word) for word in words)


@pytest.mark.parametrize("size", [9, 2**16 + 1])
def test_a_size_out_of_range_is_refused(genome, size):
    with pytest.raises(SettingsError, match="vocab_size"):
        BpeTokenizer.learn(genome, size)


def test_every_way_to_call_it_gives_the_same_ids_and_they_spell_the_sequence(tokenizer):
    sequence = with_motif(400, 7)
    ids = tokenizer(sequence)["input_ids"]
    assert [CLS, *tokenizer.encode_bases(base_codes(sequence)).tolist(), SEP] == ids
    assert tokenizer.encode_windows([base_codes(sequence)], np.ones(1)).input_ids.tolist() == ids
    assert tokenizer(sequence.lower().replace("t", "u"))["input_ids"] == ids
    assert tokenizer(sequence.replace("T", "U"))["input_ids"] == ids
    assert tokenizer.decode(ids, skip_special_tokens=True) == sequence
    letters = tokenizer.token_bases.letters[ids].flatten().numpy()
    assert letters_of(letters[letters < 4]) == sequence


def test_no_word_is_longer_than_32_bases_however_often_it_repeats():
    words = LEARN([("CA" * 20) + "G"] * 3, 60).get_vocab().keys() - set(SPECIAL_TOKENS)
    assert 16 < max(map(len, words)) <= 32


def test_each_unknown_letter_is_one_unknown_token_of_one_base(tokenizer):
    found = tokenizer("ACNNRGT", return_offsets_mapping=True)
    assert found["input_ids"].count(UNK) == 3
    start, stop = tokenizer.token_bases.places(tokenizer("ACNNRGT", return_tensors="pt")["input_ids"])
    covered = [(a, b) for a, b in zip(start[0].tolist(), stop[0].tolist(), strict=True) if b > a]
    assert covered == [place for place in found["offset_mapping"] if place != (0, 0)]


def test_token_bases_hold_the_bases_of_each_word(tokenizer):
    tokens = tokenizer.token_bases
    for i in range(5, 200):
        word = tokenizer.convert_ids_to_tokens(i)
        assert tokens.n_bases[i] == len(word)
        assert tokens.letters[i, : len(word)].tolist() == base_codes(word).tolist()
    assert tokens.n_bases[:5].tolist() == [0, 1, 0, 0, 1]
    assert tokens.maskable.tolist() == [False] * 5 + [True] * 195
    assert (tokens.of_bases, tokens.of_kmers, tokens.equally_long, tokens.overlapping) == (True, False, False, False)


@pytest.mark.parametrize("opened", [open_tokenizer, AutoTokenizer.from_pretrained, BpeTokenizer.from_pretrained])
def test_a_saved_tokenizer_is_read_back_as_it_was(tokenizer, tmp_path, opened):
    tokenizer.save_pretrained(tmp_path)
    again = opened(tmp_path)
    assert type(again) is BpeTokenizer
    assert (again.learned, again.bases_in_100_tokens) == (tokenizer.learned, tokenizer.bases_in_100_tokens)
    assert again("acgtn" + MOTIF)["input_ids"] == tokenizer("ACGTN" + MOTIF)["input_ids"]


def test_a_window_has_about_as_many_tokens_as_asked_for_and_never_more(genome, tokenizer):
    source = GenomeSource(genome, WindowSettings(max_tokens=40, full_fraction=1.0, validation_windows=3), tokenizer, 0)
    batch = source.train(0, 100)
    assert batch.lengths.max() == 42
    assert 36 < batch.lengths.double().mean() <= 42
    assert (batch.input_ids[batch.cu_seqlens[:-1].long()] == CLS).all()
    assert (batch.input_ids[batch.cu_seqlens[1:].long() - 1] == SEP).all()
    assert (source.validation_bases.codes.shape, len(source.validation().lengths)) == ((3, 510), 3)


def test_the_fingerprint_of_a_source_depends_on_the_words(genome, tokenizer):
    settings = WindowSettings(max_tokens=40, validation_windows=3)
    other = BpeTokenizer.learn(genome, 100)
    assert (
        GenomeSource(genome, settings, tokenizer, 0).fingerprint != GenomeSource(genome, settings, other, 0).fingerprint
    )


def of_dnabert_2(words, unk="[UNK]", **special):
    """A fast tokenizer whose special tokens come first, in another order than ours."""
    ids = {word: i for i, word in enumerate(["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]", *words])}
    merges = [(word[: len(word) // 2], word[len(word) // 2 :]) for word in words if len(word) > 1]
    named = {name: f"[{name.partition('_')[0].upper()}]" for name in SPECIAL_NAMES}
    rules = Tokenizer(models.BPE(ids, merges, unk_token=unk, fuse_unk=True))
    return PreTrainedTokenizerFast(tokenizer_object=rules, **(named | special))


def test_the_words_of_another_dna_bpe_keep_their_ids_and_get_token_bases(tmp_path):
    BpeTokenizer.of(of_dnabert_2([*"ACGT", "AC", "GT", "ACGT"])).save_pretrained(tmp_path)
    ours = AutoTokenizer.from_pretrained(tmp_path)
    assert isinstance(ours, BpeTokenizer)
    assert ours("acguN")["input_ids"] == [1, 11, 0, 2]
    assert (ours.ends, ours.token_bases.mask_id) == (([1], [2]), 4)
    assert ours.token_bases.maskable.tolist() == 5 * [False] + 7 * [True]
    assert ours.token_bases.n_bases.tolist() == [1, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 4]
    assert ours.token_bases.letters[11].tolist() == [0, 1, 2, 3]
    assert 100 < ours.bases_in_100_tokens < 200
    windows = [base_codes("ACGTAC"), base_codes("GT")]
    assert ours.encode_windows(windows, np.ones(2)).input_ids.tolist() == [1, 11, 9, 2, 1, 10, 2]


@pytest.mark.parametrize("unk", [None, "[UNK]"])
def test_each_unknown_letter_is_one_token_even_where_another_bpe_drops_or_joins_them(unk):
    ours = BpeTokenizer.of(of_dnabert_2([*"ACGT", "AC", "GT", "ACGT"], unk))
    assert ours("ACNNGT")["input_ids"] == [1, 9, 0, 0, 10, 2]


@pytest.mark.parametrize(
    "other",
    [
        KmerTokenizer(k=3),
        of_dnabert_2([*"ACG"]),
        of_dnabert_2([*"ACGTX"]),
        of_dnabert_2([*"ACGT"], mask_token=None),
        PreTrainedTokenizerFast(
            tokenizer_object=Tokenizer(models.BPE({letter: code for code, letter in enumerate("ACGT")}, [])),
            **dict(zip(SPECIAL_NAMES, SPECIAL_TOKENS, strict=True)),
        ),
    ],
    ids=["k-mers", "no T", "other letters", "no mask", "an unknown token beside the model"],
)
def test_a_tokenizer_that_is_no_complete_dna_bpe_is_not_converted(other):
    assert BpeTokenizer.of(other) is None
