"""Any encoder with its tokenizer, ours packed or another's padded, behind two functions: tokenise and forward.

In: a model folder and sequences. Out: packed token ids with the bases each token covers; vectors of every token, or
logits of every sequence.

Letters: T tokens of all packed sequences, B sequences, D width, C classes.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from genomask.data.packing import pack, split_microbatches, take
from genomask.data.tokenizers.base import base_codes
from genomask.data.tokenizers.kmer import KmerTokenizer
from genomask.encoders import MosaicBertConfig
from genomask.errors import DataError, UserError
from genomask.inference.hub import open_model
from genomask.training.device import autocast, choose_device, scoring_precision
from genomask.types import TokenSequences

MAX_UNKNOWN_FRACTION = 0.5
"""Fraction of unknown tokens above which a tokenizer and a file do not belong together."""

DROPOUT = 0.1
"""Of fine-tuning, as published, whatever the pretraining used."""


class Loaded(NamedTuple):
    """A model on its device, and the tokenizer of its folder."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase


class Tokenised(NamedTuple):
    """Tokens of B sequences, and the letters [start, stop) each covers: 0, 0 for [CLS] and [SEP]."""

    tokens: TokenSequences
    start: np.ndarray  # (T,) int64
    stop: np.ndarray  # (T,) int64
    letters: np.ndarray  # (B,) int64, length of each sequence in the same unit


def load_encoder(folder: Path, *, seed: int, untrained: bool) -> Loaded:
    """The bare encoder of a folder on this machine's device; `seed` draws the weights of an untrained twin."""
    return _load(folder, "encoder", seed, untrained, {})


def load_classifier(folder: Path, n_classes: int, *, seed: int, untrained: bool) -> Loaded:
    """The encoder with a new classification head; `seed` draws the head, or all weights of an untrained twin."""
    saved = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    dropout = {"hidden_dropout_prob": DROPOUT} if "hidden_dropout_prob" in saved else {}
    return _load(folder, "classification", seed, untrained, {"num_labels": n_classes} | dropout)


def _load(folder: Path, head: str, seed: int, untrained: bool, settings: dict[str, Any]) -> Loaded:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model, tokenizer = open_model(folder, head=head, **settings)
        if untrained:
            model = type(model)(model.config)
    model.to(choose_device("auto"))  # type: ignore[arg-type]  # transformers wraps `to` and loses its types
    return Loaded(model, tokenizer)


def tokenise(tokenizer: PreTrainedTokenizerBase, sequences: list[str], where: str) -> Tokenised:
    """Tokens of the sequences, special tokens included, none cut.

    Raises DataError, with `where` (a file), for a sequence that makes no token and for a file that is mostly unknown.
    """
    if isinstance(tokenizer, KmerTokenizer):
        parts = [_kmer_tokens(tokenizer, sequence) for sequence in sequences]
        letters = [len(sequence) for sequence in sequences]
    else:
        parts, letters = _other_tokens(tokenizer, sequences)
    for sequence, (_, start, stop) in zip(sequences, parts, strict=True):
        if not (stop > start).any():
            raise DataError(
                f"{where}: the sequence {sequence[:40]!r} makes no token in this model's tokenizer; "
                "leave it out of the file or use a model with smaller tokens."
            )
    ids, start, stop = zip(*parts, strict=True)
    tokenised = Tokenised(pack(ids, np.ones(len(ids))), np.concatenate(start), np.concatenate(stop), np.array(letters))
    content = tokenised.tokens.input_ids.numpy()[tokenised.stop > tokenised.start]
    unknown = (content == tokenizer.unk_token_id).mean()
    if unknown > MAX_UNKNOWN_FRACTION:
        raise DataError(
            f"{where}: {unknown:.0%} of the tokens are {tokenizer.unk_token}, so this model's tokenizer does not read "
            "these sequences; use a model whose tokenizer takes plain DNA letters."
        )
    return tokenised


def _kmer_tokens(tokenizer: KmerTokenizer, sequence: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    kmers = tokenizer.encode_bases(base_codes(sequence))
    ids = np.concatenate([[tokenizer.cls_token_id], kmers, [tokenizer.sep_token_id]])
    start, stop = (place.numpy() for place in tokenizer.token_bases.places(torch.from_numpy(ids)))
    covers = stop > start
    return ids, start * covers, stop * covers


def _other_tokens(
    tokenizer: PreTrainedTokenizerBase, sequences: list[str]
) -> tuple[list[tuple[np.ndarray, np.ndarray, np.ndarray]], list[int]]:
    """As above for any tokenizer; one that cannot say which letters a token covers counts in tokens."""
    fast = tokenizer.is_fast
    try:
        encoded = tokenizer(sequences, return_special_tokens_mask=True, return_offsets_mapping=fast)
    except Exception as problem:  # what the tokenizers library raises, as where the token for the unknown is not there
        raise DataError(
            f"{tokenizer.name_or_path}: its tokenizer cannot read these sequences ({problem}); copy the tokenizer's "
            "files that were saved with this model."
        ) from problem
    parts, letters = [], []
    for at, sequence in enumerate(sequences):
        content = 1 - np.array(encoded["special_tokens_mask"][at])
        places = np.array(encoded["offset_mapping"][at]) if fast else _count(content)
        parts.append((np.array(encoded["input_ids"][at]), places[:, 0] * content, places[:, 1] * content))
        letters.append(len(sequence) if fast else int(content.sum()))
    return parts, letters


def _count(content: np.ndarray) -> np.ndarray:
    """(tokens, 2) [n - 1, n) for the n-th token that is not special."""
    number = np.cumsum(content)
    return np.stack([number - 1, number], axis=1)


def batches(tokens: TokenSequences, tokens_per_batch: int) -> Iterator[tuple[Tensor, TokenSequences]]:
    """The sequences in batches of like length: their numbers (B,) and their tokens."""
    order = torch.argsort(tokens.lengths, stable=True)
    ids = torch.split(tokens.input_ids, tokens.lengths.tolist())
    by_length = pack([ids[at].numpy() for at in order.tolist()], np.ones(len(ids)))
    budget = max(tokens_per_batch, int(tokens.lengths.max()))
    for part in split_microbatches(by_length, budget):
        yield order[part], take(by_length, part)


def forward(model: PreTrainedModel, tokens: TokenSequences) -> Tensor:
    """An encoder's last vectors (T, D), or a classifier's logits (B, C), in fp32; see `scoring_precision`."""
    with autocast(model.device, scoring_precision(model.device)):
        if isinstance(model.config, MosaicBertConfig):
            output = model(
                input_ids=tokens.input_ids.to(model.device),
                cu_seqlens=tokens.cu_seqlens.to(model.device),
                max_seqlen=int(tokens.lengths.max()),
            )
            return _result(output).float()
        sequences = list(torch.split(tokens.input_ids, tokens.lengths.tolist()))
        rows = pad_sequence(sequences, batch_first=True, padding_value=model.config.pad_token_id or 0)
        mask = torch.arange(rows.shape[1]) < tokens.lengths[:, None]
        output = model(input_ids=rows.to(model.device), attention_mask=mask.long().to(model.device))
        result = _result(output).float()
        return result if "logits" in output else result[mask.to(model.device)]


def _result(output: dict[str, Tensor]) -> Tensor:
    return output["logits"] if "logits" in output else output["last_hidden_state"]


def check_lengths(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, tokenised: Tokenised, where: str) -> None:
    """Raises DataError for a sequence longer than the model has positions for (ALiBi has no such bound)."""
    longest = int(tokenised.tokens.lengths.max())
    bounded = getattr(model.config, "positions", "learned") == "learned"
    limit = min(tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", longest))
    if bounded and longest > limit:
        raise DataError(
            f"{where}: a sequence has {longest} tokens and this model takes {limit}; "
            "cut the sequences or use a model for longer ones."
        )


def fingerprint(folder: Path) -> str:
    """Hash of a model folder's configuration and weights; raises UserError where there are none."""
    files = [path for path in sorted(folder.glob("*")) if path.suffix in (".safetensors", ".bin")]
    if not files or not (folder / "config.json").is_file():
        raise UserError(f"{folder}: no model here (config.json and weights); give a run's folder 'model'.")
    digest = hashlib.blake2b(digest_size=16)
    for path in [folder / "config.json", *files]:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "blake2b").digest())
    return digest.hexdigest()
