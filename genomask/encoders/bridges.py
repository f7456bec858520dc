"""Checkpoints of others: their config and state dict in, our model out. Nothing is executed and nothing is guessed.

Letters: V vocabulary, D width.
"""

import logging
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from genomask.encoders.config import MosaicBertConfig
from genomask.encoders.heads import MosaicBertForMaskedLM
from genomask.errors import DataError

log = logging.getLogger(__name__)

WORDS = "bert.embeddings.word_embeddings.weight"
DECODER = "cls.predictions.decoder.weight"
DECODER_BIAS = "cls.predictions.decoder.bias"
NOT_OURS = ("bert.embeddings.position_ids", "bert.embeddings.token_type_ids", "bert.pooler.", "cls.seq_relationship.")
"""Buffers and heads that original checkpoints may hold and masked-token prediction does not need."""


def from_mosaicbert(config: Mapping[str, Any], state_dict: Mapping[str, Tensor]) -> MosaicBertForMaskedLM:
    """A MosaicBERT checkpoint with the original parameter names -> our model, in eval mode, weights copied bit by bit.

    The vocabulary may be padded to any multiple that ours (64) holds; the decoder is stored as `decoder.weight` and
    `decoder.bias`, or as `predictions.bias` alone. Raises DataError for a missing, unknown or misshapen tensor.
    """
    model = MosaicBertForMaskedLM(_our_config(config))
    ours = model.state_dict()
    theirs = {name: x for name, x in state_dict.items() if not name.startswith(NOT_OURS)}
    if "cls.predictions.bias" in theirs:
        bias = theirs.pop("cls.predictions.bias")
        theirs.setdefault(DECODER_BIAS, bias)
    if WORDS in theirs and not torch.equal(theirs.setdefault(DECODER, theirs[WORDS]), theirs[WORDS]):
        raise DataError(f"MosaicBERT checkpoint: {DECODER} differs from {WORDS}; only tied checkpoints can be read")
    _refuse_other_names(ours.keys(), theirs.keys())
    rows = model.config.padded_vocab_size
    for name in (WORDS, DECODER, DECODER_BIAS):
        theirs[name] = _pad_rows(theirs[name], rows)
    for name, tensor in theirs.items():
        if tensor.shape != ours[name].shape:
            raise DataError(
                f"MosaicBERT checkpoint: {name} has shape {tuple(tensor.shape)}, its config asks for "
                f"{tuple(ours[name].shape)}; give the config.json that belongs to these weights"
            )
    model.load_state_dict(theirs)
    return model.eval()


def _our_config(config: Mapping[str, Any]) -> MosaicBertConfig:
    """The original's config dict -> ours; what it does not say has BERT's default, as in the original."""
    if config.get("hidden_act", "gelu") != "gelu":
        raise DataError(f"MosaicBERT config: hidden_act is {config['hidden_act']!r}; only 'gelu' can be read")
    if config.get("attention_probs_dropout_prob"):
        log.warning("this checkpoint was trained with attention dropout; here attention has none (no change in use)")
    shared = (
        *("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"),
        *("hidden_dropout_prob", "layer_norm_eps", "type_vocab_size", "pad_token_id", "initializer_range"),
    )
    return MosaicBertConfig(**{name: config[name] for name in shared if name in config})


def _refuse_other_names(ours: Any, theirs: Any) -> None:
    """DataError naming the first few tensors that only one side has."""
    for names, what in ((ours - theirs, "lacks"), (theirs - ours, "holds unknown")):
        if names:
            raise DataError(
                f"MosaicBERT checkpoint: {what} {', '.join(sorted(names)[:3])} ({len(names)} in all); "
                "is it a MosaicBERT of the depth its config says?"
            )


def _pad_rows(tensor: Tensor, rows: int) -> Tensor:
    """(V, ...) -> (rows, ...), zeros added; a longer tensor is returned as it is, for the shape check to refuse."""
    missing = max(rows - len(tensor), 0)
    return torch.cat([tensor, tensor.new_zeros(missing, *tensor.shape[1:])])
