"""Sequences in, packed token ids out, with the letters that each token covers: for any tokenizer, ours or another's.

Letters: T tokens of all packed sequences, B sequences.
"""

import logging
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from transformers import BatchEncoding, PreTrainedModel, PreTrainedTokenizerBase

from genomask.data.bases import base_codes
from genomask.data.packing import pack
from genomask.data.reading import DNA, TEXT, texts_of
from genomask.data.tokenizers.base import DnaTokenizer
from genomask.data.unknown import require_known
from genomask.errors import DataError, quoted
from genomask.inference.models import places_of
from genomask.inference.vocabulary import reading_of
from genomask.types import TokenSequences

LARGEST_LIMIT = 1 << 24
"""A tokenizer whose model_max_length is larger states no limit."""

log = logging.getLogger(__name__)

_SAID: set[str] = set()
"""Files whose cut texts were already warned of; a file is read in chunks, and by each seed."""


class Tokenised(NamedTuple):
    """Tokens of B sequences, and the letters [start, stop) each covers: 0, 0 for [CLS] and [SEP]."""

    tokens: TokenSequences
    start: np.ndarray  # (T,) int64
    stop: np.ndarray  # (T,) int64
    letters: np.ndarray  # (B,) int64, length of each sequence in the same unit
    names: Sequence[str] = ()  # what each is called in messages; () for their numbers

    def called(self, at: int) -> str:
        """The name of sequence `at`, from 0, in messages, which count from 1."""
        return self.names[at] if self.names else f"example {at + 1}"


def tokenise(
    tokenizer: PreTrainedTokenizerBase, sequences: list[str], where: str, names: Sequence[str] = ()
) -> Tokenised:
    """Tokens of the sequences, special tokens included; DNA is never cut, text to its tokenizer's limit.

    `names`: what messages call each, if these are not all of a file; else "example" and its number, from 1.

    Raises DataError, with `where` (a file), for a sequence that makes no token and for a file that is mostly unknown.
    DNA is judged by the sequences without N: no tokenizer knows a genome's gaps.
    """
    if isinstance(tokenizer, DnaTokenizer):
        tokenised = _dna_tokens(tokenizer, sequences)
    else:
        tokenised = _other_tokens(tokenizer, sequences, where)
    tokenised = tokenised._replace(names=names)
    covers, lengths = tokenised.stop > tokenised.start, tokenised.tokens.lengths.numpy()
    makes_tokens = np.bincount(np.repeat(np.arange(len(sequences)), lengths), covers, len(sequences)) > 0
    if not makes_tokens.all():
        first = int(makes_tokens.argmin())
        raise DataError(
            f"{where}: {tokenised.called(first)} is {quoted(sequences[first], 40)}, which gives no token with this "
            "model's tokenizer; leave it out of the file or use a model with smaller tokens."
        )
    reading = reading_of(tokenizer)
    judged = [reading is not DNA or "N" not in sequence.upper() for sequence in sequences]
    content = tokenised.tokens.input_ids.numpy()[covers & np.repeat(judged, lengths)]
    unknown = int((content == tokenizer.unk_token_id).sum())
    advice = (
        f"this model's tokenizer cannot read these sequences; use a model whose tokenizer knows {reading.alphabet}."
    )
    require_known(unknown, len(content), tokenizer.unk_token, where, advice)
    return tokenised


def _dna_tokens(tokenizer: DnaTokenizer, sequences: list[str]) -> Tokenised:
    tokens = tokenizer.encode_windows([base_codes(sequence) for sequence in sequences], np.ones(len(sequences)))
    start, stop = (place.numpy() for place in tokenizer.token_bases.places_packed(tokens))
    covers = stop > start
    return Tokenised(tokens, start * covers, stop * covers, np.array([len(sequence) for sequence in sequences]))


def _other_tokens(tokenizer: PreTrainedTokenizerBase, sequences: list[str], where: str) -> Tokenised:
    """The same for any tokenizer; one that cannot give the letters that a token covers counts in tokens."""
    fast, is_text = tokenizer.is_fast, reading_of(tokenizer) is TEXT
    given = [texts_of(sequence, where) for sequence in sequences]
    content = [tuple(texts) if len(texts) > 1 else texts[0] for texts in given]
    limit = tokenizer.model_max_length if is_text and tokenizer.model_max_length < LARGEST_LIMIT else None
    try:
        encoded = tokenizer(
            content,
            return_special_tokens_mask=fast,
            return_offsets_mapping=fast,
            truncation=limit is not None,
            max_length=limit,
        )
    except Exception as problem:  # from the tokenizers library, as where the token for the unknown is missing
        raise DataError(
            f"{tokenizer.name_or_path}: its tokenizer cannot read these sequences ({problem}); copy the tokenizer's "
            "files that were saved with this model."
        ) from problem
    if limit and where not in _SAID and (cut := sum(len(ids) == limit for ids in encoded["input_ids"])):
        _SAID.add(where)
        said = "%s: %d of %d texts read together reach the limit of %d tokens and may have been cut"
        log.warning(said, where, cut, len(sequences), limit)
    parts, letters = [], []
    for at, texts in enumerate(given):
        ids = np.array(encoded["input_ids"][at])
        if not fast:
            start, stop = _spelt(tokenizer, ids, sequences[at])
            parts.append((ids, start, stop))
            letters.append(int(stop.max(initial=0)))
            continue
        covers = 1 - np.array(encoded["special_tokens_mask"][at])
        places = np.array(encoded["offset_mapping"][at])
        if len(texts) > 1:
            places += (np.array(encoded.sequence_ids(at)) == 1)[:, None] * (len(texts[0]) + 1)
        parts.append((ids, places[:, 0] * covers, places[:, 1] * covers))
        letters.append(len(sequences[at]))
    ids, start, stop = zip(*parts, strict=True)
    tokens = pack(ids, np.ones(len(ids)))._replace(token_types=_types(encoded))
    return Tokenised(tokens, np.concatenate(start), np.concatenate(stop), np.array(letters))


def _types(encoded: BatchEncoding) -> Tensor | None:
    """(T,) the segment of each token, from the tokenizer; None where it gives none, or only one."""
    said = [segment for of_one in encoded.get("token_type_ids", ()) for segment in of_one]
    return torch.tensor(said) if any(said) else None


def _spelt(tokenizer: PreTrainedTokenizerBase, ids: np.ndarray, sequence: str) -> tuple[np.ndarray, np.ndarray]:
    """Letters [start, stop) of each token by its spelling, if they spell the sequence; else the n-th has [n - 1, n).

    Special tokens are recognised by name: transformers' mask of them is too long where there is no end token.
    """
    named = {token for name, token in tokenizer.special_tokens_map.items() if name != "unk_token"}
    words = [word if word not in named else "" for word in tokenizer.convert_ids_to_tokens(ids.tolist())]
    each = np.array([len(word) if "".join(words) == sequence else bool(word) for word in words], dtype=np.int64)
    stop = each.cumsum() * (each > 0)
    return stop - each, stop


def check_lengths(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, tokenised: Tokenised, where: str) -> None:
    """Raises DataError for a sequence longer than the model has positions for (ALiBi has no such bound)."""
    at = int(tokenised.tokens.lengths.argmax())
    longest = int(tokenised.tokens.lengths[at])
    places = places_of(model)
    limit = longest if places is None else min(tokenizer.model_max_length, places)
    if longest > limit:
        raise DataError(
            f"{where}: {tokenised.called(at)} has {longest} tokens and this model takes {limit}; "
            "cut the sequences or use a model for longer ones."
        )
