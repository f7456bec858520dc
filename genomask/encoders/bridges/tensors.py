"""What the name schemes share: one form of the decoder, checks of names and shapes, filling our model.

Every scheme is read into the plain form: the embedding once, the decoder's bias as `decoder.bias`, and no buffers.
Letters: V true vocabulary, R rows of a checkpoint's embedding, D width.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from transformers import PretrainedConfig

from genomask.encoders.heads import MosaicBertForMaskedLM
from genomask.errors import DataError

WORDS = "bert.embeddings.word_embeddings.weight"
DECODER = "cls.predictions.decoder.weight"
DECODER_BIAS = "cls.predictions.decoder.bias"
LONE_BIAS = "cls.predictions.bias"
NOT_OURS = ("bert.pooler.", "cls.seq_relationship.")
"""Heads that checkpoints may hold and masked-token prediction does not need."""
BUFFERS = (".position_ids", ".token_type_ids", ".alibi", ".slopes")
"""Constants that some versions saved beside the weights; ours follow from the config."""
OLD_ENDS = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}
"""Names of BERT's first releases."""
SHARED_SETTINGS = (
    *("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"),
    *("hidden_dropout_prob", "layer_norm_eps", "type_vocab_size", "pad_token_id", "initializer_range"),
    "max_position_embeddings",
)
"""Settings of one name and meaning here, in BERT and in MosaicBERT."""
FIXED_SETTINGS = {"hidden_act": "gelu", "position_embedding_type": "absolute", "is_decoder": False}
"""Settings whose other values would be another architecture."""


def as_table(config: Mapping[str, Any] | PretrainedConfig) -> Mapping[str, Any]:
    """A config by names, whether it comes so or as an object of transformers."""
    return config.to_dict() if isinstance(config, PretrainedConfig) else config


def shared_settings(config: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """The settings that we take over; what a config does not say has BERT's default, here as there."""
    for name, value in FIXED_SETTINGS.items():
        if config.get(name, value) != value:
            raise DataError(f"{kind} config: {name} is {config[name]!r}; only {value!r} can be read")
    return {name: config[name] for name in SHARED_SETTINGS if name in config}


def plain_form(state_dict: Mapping[str, Tensor], kind: str) -> dict[str, Tensor]:
    """Heads of others and buffers left out, the decoder in one form; DataError for a decoder that is not tied."""
    plain = {_new_name(name): x for name, x in state_dict.items() if not name.startswith(NOT_OURS)}
    plain = {name: x for name, x in plain.items() if not name.endswith(BUFFERS)}
    if WORDS not in plain:
        raise DataError(f"{kind} checkpoint: lacks {WORDS}; give a model saved with its masked-token head")
    for copy, original in ((DECODER, WORDS), (LONE_BIAS, DECODER_BIAS)):
        x = plain.pop(copy, None)
        if x is None:
            continue
        if not torch.equal(plain.setdefault(original, x), x):
            raise DataError(f"{kind} checkpoint: {copy} differs from {original}; only tied checkpoints can be read")
    return plain


def _new_name(name: str) -> str:
    for old, new in OLD_ENDS.items():
        if name.endswith(old):
            return name.removesuffix(old) + new
    return name


def model_tensors(model: MosaicBertForMaskedLM) -> dict[str, Tensor]:
    """Our parameters in the plain form, as copies; rows that only round our vocabulary up are left out."""
    rows = model.config.vocab_rows or model.config.vocab_size
    tensors = {name: x.detach().cpu() for name, x in model.state_dict().items() if name != DECODER}
    return {name: (x[:rows] if name in (WORDS, DECODER_BIAS) else x).clone() for name, x in tensors.items()}


def refuse_misfit(theirs: Mapping[str, Tensor], expected: Mapping[str, Tensor], kind: str) -> None:
    """DataError naming the first few tensors that only one side has, or the first of another shape."""
    ends = f"is it a {kind} of the depth its config says?"
    for names, what in ((expected.keys() - theirs.keys(), "lacks"), (theirs.keys() - expected.keys(), "holds unknown")):
        if names:
            raise DataError(f"{kind} checkpoint: {what} {', '.join(sorted(names)[:3])} ({len(names)} in all); {ends}")
    for name, x in expected.items():
        if theirs[name].shape != x.shape:
            raise DataError(
                f"{kind} checkpoint: {name} has shape {tuple(theirs[name].shape)}, its config asks for "
                f"{tuple(x.shape)}; give the config.json that belongs to these weights"
            )


def filled(model: MosaicBertForMaskedLM, plain: Mapping[str, Tensor]) -> MosaicBertForMaskedLM:
    """The model with these tensors (plain form, our names), in eval mode; rows that round up its vocabulary are 0."""
    ours = dict(plain)
    for name in (WORDS, DECODER_BIAS):
        missing = model.config.padded_vocab_size - len(plain[name])
        ours[name] = torch.cat([plain[name], plain[name].new_zeros(missing, *plain[name].shape[1:])])
    model.load_state_dict(ours | {DECODER: ours[WORDS]})
    return model.eval()
