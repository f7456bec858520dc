"""BpeTokenizer: DNA in, words of unequal length out, learned from a genome by byte-pair encoding (BPE).

The most frequent pair of neighbouring words becomes a new word, again and again, until the vocabulary is full: common
stretches of the genome become one token, and tokens never overlap. Ids 0-4 are [PAD] [UNK] [CLS] [SEP] [MASK] if we
learned the words; the words of others, such as DNABERT-2's, keep their ids.
Source of the method for DNA: DNABERT-2 (Zhou et al., ICLR 2024).
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PretrainedConfig, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from genomask.data.bases import base_codes, letters_of
from genomask.data.genome import Genome
from genomask.data.packing import pack
from genomask.data.tokenizers.base import (
    LONGEST,
    SPECIAL_NAMES,
    SPECIAL_TOKENS,
    DnaTokenizer,
    Whole,
)
from genomask.data.window_sampling import place_evenly
from genomask.errors import DataError
from genomask.hashing import Purpose, hash64
from genomask.settings.ranges import require_whole
from genomask.terminal.progress import Work, working
from genomask.types import TokenBases, TokenSequences

LETTERS = "ACGT"
SMALLEST_VOCABULARY, LARGEST_VOCABULARY = len(SPECIAL_TOKENS) + len(LETTERS) + 1, 2**16
LONGEST_WORD = 32
"""Bases; a longer word would be one repeat of one genome."""
SAMPLE_BASES = 8_000_000
"""Bases that a vocabulary is learned from: about 0.6 GB of memory, half a minute."""
SAMPLE_WINDOW = 512
"""Bases of a sample window; no word is learned across its ends."""
COUNTED_BASES = 1_000_000
"""Bases of the sample that are tokenised again to measure the mean token length."""
PROBED_BASES = 20_000
"""Bases of random DNA on which the mean token length of others' tokenizers is measured."""


class BpeTokenizer(DnaTokenizer, PreTrainedTokenizerFast):
    """A DNA sequence as words of 1 to 32 bases, end to end, between [CLS] and [SEP].

    U is read as T and lower case as upper; each letter other than A C G T U is one [UNK]. return_offsets_mapping=True
    gives the bases that each token covers. The class has no constructor on purpose: for a class with one, transformers
    rebuilds a folder's tokenizer.json without its normaliser and merges, and so with other ids.
    """

    model_input_names = ["input_ids", "token_type_ids", "attention_mask"]  # noqa: RUF012 - a plain attribute there

    @classmethod
    def learn(cls, genome: Genome, vocab_size: int, seed: int = 0) -> "BpeTokenizer":
        """At most `vocab_size` tokens, special ones included, from windows spread evenly over a genome's runs of ACGT.

        The same genome and seed give the same tokens. Raises SettingsError for a size out of range, and DataError for a
        genome without a long enough run of ACGT.
        """
        require_whole("vocab_size", vocab_size, SMALLEST_VOCABULARY, LARGEST_VOCABULARY)
        starts = place_evenly(genome.runs, SAMPLE_WINDOW, SAMPLE_BASES // SAMPLE_WINDOW, seed)
        if not len(starts):
            raise DataError(
                f"the genome has no run of ACGT of {SAMPLE_WINDOW} bases, so there is nothing to learn a vocabulary "
                "from. Give a longer genome, or one with fewer N."
            )
        sample = [letters_of(genome.codes[start : start + SAMPLE_WINDOW]) for start in starts.tolist()]
        with working("learning a vocabulary", len(sample), "window") as work:
            rules = learn_rules(_counted(sample, work), vocab_size)
        counted = sample[:: -(-len(sample) * SAMPLE_WINDOW // COUNTED_BASES)]
        n_tokens = sum(len(encoding.ids) - 2 for encoding in rules.encode_batch_fast(counted))
        named: dict[str, Any] = dict(zip(SPECIAL_NAMES, SPECIAL_TOKENS, strict=True))
        mean = 100 * SAMPLE_WINDOW * len(counted) // n_tokens
        return cls(tokenizer_object=rules, bases_in_100_tokens=mean, model_max_length=LONGEST, **named)

    @classmethod
    def of(cls, other: PreTrainedTokenizerBase) -> "BpeTokenizer | None":
        """Another's BPE, such as DNABERT-2's, with its words and ids; None if it is no BPE, or not of DNA.

        Lower case, U and unknown letters are read as by ours. The mean token length is that on uniformly random DNA.
        """
        if not isinstance(other, PreTrainedTokenizerFast) or None in (getattr(other, name) for name in SPECIAL_NAMES):
            return None
        rules = Tokenizer.from_str(other.backend_tokenizer.to_str())
        named = {name: getattr(other, name) for name in SPECIAL_NAMES}
        words = rules.get_vocab().keys() - set(named.values())
        if not isinstance(rules.model, models.BPE) or not words >= set(LETTERS) or set("".join(words)) - set(LETTERS):
            return None
        if other.unk_token not in rules.get_vocab(with_added_tokens=False):  # the model can only give ids of its own
            return None
        rules.model.unk_token, rules.model.fuse_unk = other.unk_token, False  # without one it drops unknown letters
        _reads_dna(rules, other.cls_token, other.sep_token)
        probe = letters_of(uniform_bases(PROBED_BASES))
        mean = 100 * len(probe) // len(rules.encode(probe, add_special_tokens=False).ids)
        return cls(tokenizer_object=rules, bases_in_100_tokens=mean, model_max_length=LONGEST, **named)

    @property
    def bases_in_100_tokens(self) -> int:
        """Bases in 100 tokens, as measured when it was made; 100 (single bases) if its folder does not state it."""
        return int(self.init_kwargs.get("bases_in_100_tokens", 100))

    @property
    def learned(self) -> str:
        """A hash of the words and of the order in which they are made."""
        model = json.loads(self.backend_tokenizer.to_str())["model"]
        return hashlib.blake2b(json.dumps(model, sort_keys=True).encode(), digest_size=16).hexdigest()

    @property
    def ends(self) -> tuple[list[int], list[int]]:
        """The ids of [CLS] and [SEP]."""
        return [self.cls_token_id], [self.sep_token_id]

    def bases_for(self, n_tokens: Whole) -> Whole:
        """Bases of a window of `n_tokens` tokens, on average."""
        return n_tokens * self.bases_in_100_tokens // 100

    def encode_bases(self, codes: np.ndarray) -> np.ndarray:
        """Base codes (bases,) uint8 to token ids (tokens,) int64, without special tokens."""
        return np.array(self.backend_tokenizer.encode(letters_of(codes), add_special_tokens=False).ids, dtype=np.int64)

    def encode_windows(self, windows: Sequence[np.ndarray], weights: np.ndarray) -> TokenSequences:
        """[CLS] tokens [SEP] of each window, all at once."""
        encodings = self.backend_tokenizer.encode_batch_fast([letters_of(codes) for codes in windows])
        return pack([np.array(encoding.ids, dtype=np.int64) for encoding in encodings], weights)

    @cached_property
    def token_bases(self) -> TokenBases:
        """What masking needs to know about this vocabulary."""
        special = [row for name in SPECIAL_NAMES if (row := getattr(self, f"{name}_id")) is not None]
        words = {row: base_codes(word) for word, row in self.get_vocab().items() if row not in special}
        letters = np.full((len(self), max(map(len, words.values()))), 4, dtype=np.uint8)
        for row, word in words.items():
            letters[row, : len(word)] = word
        n_bases = torch.from_numpy((letters < 4).sum(1))
        n_bases[[row for row in (self.unk_token_id, self.mask_token_id) if row is not None]] = 1
        maskable = torch.ones(len(self), dtype=torch.bool)
        maskable[special] = False
        return TokenBases(
            k=1,
            stride=1,
            mask_id=self.mask_token_id,
            maskable=maskable,
            n_bases=n_bases,
            letters=torch.from_numpy(letters),
            kmer_ids=torch.zeros(0, dtype=torch.int64),
            word_start=torch.ones(len(self), dtype=torch.bool),
        )


def learn_rules(sequences: Iterable[str], vocab_size: int) -> Tokenizer:
    """A BPE learned from sequences of A C G T, with all that turns DNA into its ids."""
    rules = Tokenizer(models.BPE(unk_token="[UNK]"))
    rules.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=list(LETTERS),
        limit_alphabet=len(LETTERS),
        max_token_length=LONGEST_WORD,
        min_frequency=2,
        show_progress=False,
    )
    rules.train_from_iterator(sequences, trainer)
    _reads_dna(rules, "[CLS]", "[SEP]")
    return rules


def _reads_dna(rules: Tokenizer, first: str, last: str) -> None:
    """Make a BPE read lower case and U, put a sequence between the tokens `first` and `last`, and spell tokens out."""
    rules.normalizer = normalizers.Sequence(
        [normalizers.Replace(a, b) for a, b in zip("acgtuU", "ACGTTT", strict=True)]
    )
    rules.decoder = decoders.Fuse()
    ends = [(token, rules.token_to_id(token)) for token in (first, last)]
    pair = f"{first} $A {last} $B:1 {last}:1"
    rules.post_processor = processors.TemplateProcessing(f"{first} $A {last}", pair, ends)


def uniform_bases(count: int) -> np.ndarray:
    """(count,) base codes, all bases equally likely, always the same."""
    return (hash64(np.zeros(1, dtype=np.int64), Purpose.PROBE, np.arange(count)) & 3).astype(np.uint8)


def _counted(sequences: Sequence[str], work: Work) -> Iterator[str]:
    for sequence in sequences:
        yield sequence
        work.advance(1)
    work.show(status="merging words")


class _BpeTokenizerKey(PretrainedConfig):
    """The key that transformers' registry asks for; models keep their own configuration."""

    model_type = "genomask-bpe-tokenizer"


AutoTokenizer.register(_BpeTokenizerKey, fast_tokenizer_class=BpeTokenizer, exist_ok=True)
