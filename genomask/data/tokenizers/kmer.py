"""KmerTokenizer: DNA in, k-mer ids out; a transformers tokenizer with a vectorised path for whole genomes.

Bases are uint8 codes A0 C1 G2 T3 (U is read as T, lower case as upper), 4 for any other letter. Ids 0-4 are
[PAD] [UNK] [CLS] [SEP] [MASK]; then come the k-mers in the product order of the alphabet A, T, C, G, as in DNABERT
(at k = 3 `ACG` is 16).
"""

import itertools
from collections.abc import Sequence
from functools import cached_property
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoTokenizer, BatchEncoding, PretrainedConfig, PreTrainedTokenizer

from genomask.data.bases import base_codes
from genomask.data.packing import bounds_of, require_weights
from genomask.data.tokenizers.base import (
    CLS,
    LONGEST,
    MASK,
    PAD,
    SEP,
    SPECIAL_NAMES,
    SPECIAL_TOKENS,
    UNK,
    DnaTokenizer,
    Whole,
)
from genomask.errors import DataError, SettingsError
from genomask.settings.ranges import require
from genomask.types import TokenBases, TokenSequences

MAX_K = 8
_ALPHABET = "ATCG"
_DIGIT_OF_CODE = np.array([_ALPHABET.index(letter) for letter in "ACGT"] + [-1], dtype=np.int32)


def kmer_ids(codes: np.ndarray, k: int, stride: int = 1) -> np.ndarray:
    """Ids of the k-mers that start at every `stride`-th base of the last axis, int64; [UNK] for those with a 4."""
    count = max(0, (codes.shape[-1] - k) // stride + 1)
    digits = _DIGIT_OF_CODE[codes]
    value = np.zeros((*codes.shape[:-1], count), dtype=np.int32)
    for place in range(k):
        value <<= 2
        value |= digits[..., place : place + count * stride : stride]  # a -1 makes the value negative for good
    return np.where(value < 0, UNK, value + len(SPECIAL_TOKENS)).astype(np.int64)


class KmerTokenizer(DnaTokenizer, PreTrainedTokenizer):
    """A DNA sequence as overlapping (stride 1) or neighbouring (stride k) k-mers between [CLS] and [SEP].

    A call takes plain sequences, or k-mers of k letters separated by spaces, which are taken as they are.
    U is read as T, as in every file that genomask reads, and lower case as upper; a k-mer with a letter other
    than A C G T is [UNK]. Bases beyond the last whole k-mer (stride k: the remainder of length modulo k; a sequence
    shorter than k: all) are dropped. The vocabulary depends on k alone.

    Token n of a sequence, from 0, covers the bases n * stride to n * stride + k - 1; return_offsets_mapping=True gives
    these bounds. To label bases, use for each base the token that begins with it: at stride 1 token b for base b, at
    position b + 1 of the ids, after [CLS]. The last k - 1 bases begin no token: to label them too, append k - 1 letters
    N to the sequence, whose k-mers are [UNK]. At stride k a token stands for k bases; label them alike, or use k = 1.
    [CLS], [SEP] and [PAD] have no base and take the label -100.

    truncation=True cuts to model_max_length, by default 512; a model with ALiBi takes more.
    Raises SettingsError for k outside 1..8 and for a stride that is neither 1 nor k.
    """

    vocab_files_names: dict[str, str] = {}  # noqa: RUF012 - overrides a plain attribute of transformers
    model_input_names = ["input_ids", "token_type_ids", "attention_mask"]  # noqa: RUF012 - as above

    def __init__(self, k: int = 6, stride: int = 1, **kwargs: Any) -> None:
        check_kmers(k, stride)
        self.k = k
        self.stride = stride
        self._token_list = [*SPECIAL_TOKENS, *map("".join, itertools.product(_ALPHABET, repeat=k))]
        self._id_of_token = {token: i for i, token in enumerate(self._token_list)}
        own: dict[str, Any] = dict(zip(SPECIAL_NAMES, SPECIAL_TOKENS, strict=True))
        own |= {"special_tokens_pattern": "cls_sep", "token_type_ids_pattern": "all_zeros", "model_max_length": LONGEST}
        super().__init__(k=k, stride=stride, **(own | kwargs))

    @property
    def vocab_size(self) -> int:
        """Ids of the vocabulary, special tokens included: 4**k + 5."""
        return len(self._token_list)

    def get_vocab(self) -> dict[str, int]:
        """Token to id, special and added tokens included."""
        return self._id_of_token | self.added_tokens_encoder

    def bases_for(self, n_tokens: Whole) -> Whole:
        """Bases of a window of `n_tokens` tokens, exactly."""
        return self.stride * (n_tokens - 1) + self.k

    def encode_bases(self, codes: np.ndarray) -> np.ndarray:
        """Base codes (..., bases) uint8 to token ids (..., tokens) int64, without special tokens."""
        return kmer_ids(codes, self.k, self.stride)

    def encode_windows(self, windows: Sequence[np.ndarray], weights: np.ndarray) -> TokenSequences:
        """[CLS] k-mers [SEP] of each window: one pass over the bases of all, then a copy of the k-mers within each."""
        require_weights(weights, len(windows))
        n_tokens = np.array([max(0, (len(codes) - self.k) // self.stride + 1) for codes in windows], dtype=np.int64)
        # without the remainder, so that at stride k the k-mers stay in phase
        n_bases = np.where(n_tokens > 0, self.bases_for(n_tokens), 0)
        codes = [codes[:n] for codes, n in zip(windows, n_bases.tolist(), strict=True)]
        kmers = kmer_ids(np.concatenate([np.zeros(0, dtype=np.uint8), *codes]), self.k, self.stride)
        cu_seqlens = bounds_of(n_tokens + 2)
        ids = np.full(cu_seqlens[-1], CLS)
        ids[cu_seqlens[1:] - 1] = SEP
        first_kmer = (np.cumsum(n_bases) - n_bases) // self.stride
        for start, first, n in zip(cu_seqlens[:-1].tolist(), first_kmer.tolist(), n_tokens.tolist(), strict=True):
            ids[start + 1 : start + 1 + n] = kmers[first : first + n]
        return TokenSequences(torch.from_numpy(ids), torch.from_numpy(cu_seqlens), torch.as_tensor(weights).float())

    @cached_property
    def token_bases(self) -> TokenBases:
        """What masking needs to know about this vocabulary."""
        specials = len(SPECIAL_TOKENS)
        letters = np.full((self.vocab_size, self.k), 4, dtype=np.uint8)
        kmers = np.indices((4,) * self.k, dtype=np.uint8).reshape(self.k, -1).T  # ACGT lexicographic order
        ids = kmer_ids(kmers, self.k)[:, 0]
        letters[ids] = kmers
        n_bases = torch.full((self.vocab_size,), self.k)
        n_bases[[PAD, CLS, SEP]] = 0
        return TokenBases(
            k=self.k,
            stride=self.stride,
            mask_id=MASK,
            maskable=torch.arange(self.vocab_size) >= specials,
            n_bases=n_bases,
            letters=torch.from_numpy(letters),
            kmer_ids=torch.from_numpy(ids),
            word_start=torch.ones(self.vocab_size, dtype=torch.bool),
        )

    def save_vocabulary(self, save_directory: str, filename_prefix: str | None = None) -> tuple[str]:
        """Write vocab.txt, one token a line, for other tools; our own loading needs only k and stride."""
        path = Path(save_directory) / (f"{filename_prefix}-vocab.txt" if filename_prefix else "vocab.txt")
        path.write_text("".join(f"{token}\n" for token in self._token_list), encoding="utf-8")
        return (str(path),)

    def _encode_plus(self, text: Any, *args: Any, return_offsets_mapping: bool = False, **kwargs: Any) -> BatchEncoding:
        """As in transformers' Python tokenizers, but it can also give the bases that each token covers."""
        if not return_offsets_mapping:
            return super()._encode_plus(text, *args, **kwargs)
        if args or kwargs.get("text_pair") is not None or kwargs.get("is_split_into_words"):
            raise DataError("offsets in bases exist only for whole single sequences; encode them one by one")
        kind, wants_mask = kwargs.pop("return_tensors", None), kwargs.get("return_special_tokens_mask")
        encoding = super()._encode_plus(text, **(kwargs | {"return_special_tokens_mask": True}))
        special = encoding["special_tokens_mask"] if wants_mask else encoding.pop("special_tokens_mask")
        one = isinstance(text, str)
        offsets = self._offsets(text, special) if one else list(map(self._offsets, text, special))
        data = encoding.data | {"offset_mapping": offsets}
        return BatchEncoding(data, tensor_type=kind, prepend_batch_axis=one)

    def _offsets(self, sequence: str, special: list[int]) -> list[tuple[int, int]]:
        """The first base of each id and the one after its last; (0, 0) for ids that `special` marks with 1."""
        words = sequence.split()
        expected = len(words) if len(words) > 1 else max(0, (len("".join(words)) - self.k) // self.stride + 1)
        if len(self.tokenize(sequence)) != expected:
            raise DataError(
                "offsets in bases exist only for plain sequences and for k-mers separated by spaces; write a special "
                "token as a word of its own"
            )
        first = expected - special.count(0) if self.truncation_side == "left" else 0
        starts = (n * self.stride for n in itertools.count(first))
        return [(0, 0) if mark else (start := next(starts), start + self.k) for mark in special]

    def _tokenize(self, text: str, **kwargs: Any) -> list[str]:
        words = text.split()
        if len(words) > 1:
            return [token for word in words for token in self._word_tokens(word)]
        return [self._token_list[i] for i in self.encode_bases(base_codes(text.strip()))]

    def _word_tokens(self, word: str) -> list[str]:
        if len(word) != self.k:
            raise DataError(
                f"a sequence with spaces must be k-mers of {self.k} letters, but {word[:20]!r} has {len(word)}; "
                "give a plain sequence without spaces, or k-mers of the model's k."
            )
        return [self._token_list[i] for i in kmer_ids(base_codes(word), self.k)]

    def _convert_token_to_id(self, token: str) -> int:
        return self._id_of_token.get(token, UNK)

    def _convert_id_to_token(self, index: int) -> str:
        return self._token_list[index] if 0 <= index < self.vocab_size else SPECIAL_TOKENS[UNK]


def check_kmers(k: int, stride: int, table: str = "") -> None:
    """Raises SettingsError for k outside 1..8 and for a stride that is neither 1 nor k; `table` prefixes the names."""
    for name, value in (("k", k), ("stride", stride)):
        require(isinstance(value, Integral) and not isinstance(value, bool), f"{table}{name}", "a whole number", value)
    if not 1 <= k <= 2 * MAX_K:  # beyond, the size is too long to print, or takes minutes to compute
        raise SettingsError(f"{table}k must be from 1 to {MAX_K}, got {k}.")
    if k > MAX_K:
        gigabytes = 4**k * 768 * 4 / 1e9
        raise SettingsError(
            f"{table}k = {k} would take {4**k + len(SPECIAL_TOKENS):,} tokens (an embedding of {gigabytes:,.1f} GB at "
            f"width 768, and four times that to train it); choose k from 1 to {MAX_K}."
        )
    if stride not in (1, k):
        raise SettingsError(
            f"{table}stride must be 1 (overlapping k-mers) or k (here {k}, neighbouring ones), got {stride}."
        )


class _KmerTokenizerKey(PretrainedConfig):
    """The key that transformers' registry asks for; models keep their own configuration."""

    model_type = "genomask-kmer-tokenizer"


AutoTokenizer.register(_KmerTokenizerKey, KmerTokenizer, exist_ok=True)
