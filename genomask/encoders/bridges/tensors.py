"""What the name schemes share: one form of the decoder, checks of names and shapes, filling our model.

Every scheme is read into the plain form: the embedding once, the decoder's bias as `decoder.bias`, and no buffers. A
checkpoint without the masked-token head is read as far as it goes: its plain form has no `cls.`.
Letters: V true vocabulary, R rows of a checkpoint's embedding, D width.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import PretrainedConfig

from genomask.encoders.config import MosaicBertConfig
from genomask.encoders.heads import MosaicBertForMaskedLM
from genomask.errors import DataError, SettingsError

WORDS = "bert.embeddings.word_embeddings.weight"
DECODER = "cls.predictions.decoder.weight"
DECODER_BIAS = "cls.predictions.decoder.bias"
LONE_BIAS = "cls.predictions.bias"
HEAD = "cls.predictions."
CLASSIFIER = ("bert.pooler.", "classifier.")
"""What is on an encoder that was fine-tuned to classify, with the same names in both."""
NOT_OURS = (*CLASSIFIER, "cls.seq_relationship.")
"""Heads that checkpoints may hold but masked-token prediction does not need."""
BARE = ("embeddings.", "encoder.layer.", "pooler.")
"""Prefixes of the names of an encoder saved alone; elsewhere `bert.` stands before them."""
BUFFERS = (".position_ids", ".token_type_ids", ".alibi", ".slopes")
"""Constants that some versions saved beside the weights; ours follow from the config."""
OLD_ENDS = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}
"""Names of BERT's first releases."""
SHARED_SETTINGS = (
    *("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"),
    *("hidden_dropout_prob", "layer_norm_eps", "type_vocab_size", "pad_token_id", "initializer_range"),
    "max_position_embeddings",
)
"""Settings with the same name and meaning here, in BERT and in MosaicBERT."""
MAX_LABELS = 2**16
"""The most classes that a classifier may have."""
FIXED_SETTINGS = {"hidden_act": "gelu", "position_embedding_type": "absolute", "is_decoder": False}
"""Settings whose other values mean another architecture."""


class Form(NamedTuple):
    """The parts of an encoder of which a name scheme can express only one form."""

    positions: str
    mlp: str
    stem_width: int = 1

    @classmethod
    def of(cls, encoder: Any) -> "Form":
        """The form of a config, or of a recipe's settings."""
        return cls(encoder.positions, encoder.mlp, encoder.stem_width)

    @property
    def asked_for(self) -> str:
        """How a recipe asks for it."""
        return " ".join(f"encoder.{key}={value}" for key, value in self._asdict().items())

    def __str__(self) -> str:
        stem = f" and stem_width={self.stem_width}" if self.stem_width > 1 else ""
        return f"positions={self.positions} and mlp={self.mlp}{stem}"


def as_table(config: Mapping[str, Any] | PretrainedConfig) -> Mapping[str, Any]:
    """A config by names, whether given so or as an object of transformers."""
    return config.to_dict() if isinstance(config, PretrainedConfig) else config


def shared_settings(config: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """The settings that we take over; what a config leaves out has BERT's default, here too."""
    for name, value in FIXED_SETTINGS.items():
        if config.get(name, value) != value:
            raise DataError(f"{kind} config: {name} is {config[name]!r}; only {value!r} can be read")
    return {name: config[name] for name in SHARED_SETTINGS if name in config}


def with_encoders_name(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of an encoder saved alone, under the names they have below a head; other tensors unchanged."""
    if WORDS in state_dict:
        return dict(state_dict)
    return {f"bert.{name}" if name.startswith(BARE) else name: x for name, x in state_dict.items()}


def plain_form(state_dict: Mapping[str, Tensor], kind: str) -> dict[str, Tensor]:
    """No other heads or buffers, and the decoder in one form; DataError for a decoder that is not tied."""
    named = with_encoders_name(state_dict)
    plain = {_new_name(name): x for name, x in named.items() if not name.startswith(NOT_OURS)}
    plain = {name: x for name, x in plain.items() if not name.endswith(BUFFERS)}
    if WORDS not in plain or plain[WORDS].ndim != 2:
        raise DataError(f"{kind} checkpoint: lacks {WORDS} (rows, width); give the weights that belong to the config")
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
    """Our parameters in the plain form, as copies, without the rows that only round our vocabulary up.

    SettingsError for an untied decoder (tie_word_embeddings=False), for which the plain form has no place.
    """
    state = model.state_dict()
    if not torch.equal(state[DECODER], state[WORDS]):
        raise SettingsError(
            f"{DECODER} differs from {WORDS}, and only tied models (tie_word_embeddings=True) can be exported to "
            "another name scheme; keep it as it is"
        )
    return {name: x.clone() for name, x in _plain_views(model).items()}


def _plain_views(model: MosaicBertForMaskedLM) -> dict[str, Tensor]:
    rows = model.config.vocab_rows or model.config.vocab_size
    tensors = {name: x.detach() for name, x in model.state_dict().items() if name != DECODER}
    return {name: x[:rows] if name in (WORDS, DECODER_BIAS) else x for name, x in tensors.items()}


def expected_tensors(config: MosaicBertConfig, plain: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors without memory, with the names and shapes of a config's plain form; no `cls.` if `plain` has none."""
    refuse_vast({"num_hidden_layers": config.num_hidden_layers}, len(plain))
    with torch.device("meta"):
        expected = _plain_views(MosaicBertForMaskedLM(config))
    headless = not any(name.startswith(HEAD) for name in plain)
    return {name: x for name, x in expected.items() if not (headless and name.startswith(HEAD))}


def refuse_vast(config: Mapping[str, Any], n_tensors: int) -> None:
    """DataError for more layers than tensors, or too many labels: making them fills the memory before it fails."""
    for name, value in config.items():
        most = {"num_labels": MAX_LABELS}.get(name, n_tensors if "layers" in name or name == "n_layer" else math.inf)
        if isinstance(value, int) and value > most:
            raise DataError(
                f"config.json: {name} is {value:,}, but the weights hold {n_tensors} tensors in all; give the "
                "config.json that belongs to these weights"
            )


def refuse_misfit(theirs: Mapping[str, Tensor], expected: Mapping[str, Tensor], kind: str) -> None:
    """DataError naming the first few tensors that only one side has, or the first with another shape or no floats."""
    ends = f"is it a {kind} of the depth in its config?"
    for names, what in ((expected.keys() - theirs.keys(), "lacks"), (theirs.keys() - expected.keys(), "holds unknown")):
        if names:
            raise DataError(f"{kind} checkpoint: {what} {', '.join(sorted(names)[:3])} ({len(names)} in all); {ends}")
    for name, x in expected.items():
        if theirs[name].shape != x.shape:
            raise DataError(
                f"{kind} checkpoint: {name} has shape {tuple(theirs[name].shape)}, its config asks for "
                f"{tuple(x.shape)}; give the config.json that belongs to these weights"
            )
        if not theirs[name].is_floating_point():
            raise DataError(
                f"{kind} checkpoint: {name} holds {str(theirs[name].dtype).removeprefix('torch.')}; give the "
                "unquantised weights"
            )


class Checkpoint(NamedTuple):
    """What another model's folder holds, in our terms: our config, and tensors under the names of our state dict."""

    config: MosaicBertConfig
    tensors: dict[str, Tensor]


def padded(config: MosaicBertConfig, plain: Mapping[str, Tensor]) -> Checkpoint:
    """The plain form (our names) as our state dict; rows that round up the vocabulary are 0."""
    ours = dict(plain)
    for name in ours.keys() & {WORDS, DECODER_BIAS}:
        missing = config.padded_vocab_size - len(plain[name])
        ours[name] = torch.cat([plain[name], plain[name].new_zeros(missing, *plain[name].shape[1:])])
    return Checkpoint(config, ours | ({DECODER: ours[WORDS]} if DECODER_BIAS in ours else {}))


def filled(found: Checkpoint, kind: str) -> MosaicBertForMaskedLM:
    """The model with these tensors, in eval mode; DataError for a checkpoint without the masked-token head."""
    if DECODER not in found.tensors:
        raise DataError(
            f"{kind} checkpoint: has no masked-token head ({HEAD}...), so it predicts no tokens and cannot be "
            "converted; it opens only as an encoder or a classifier"
        )
    model = MosaicBertForMaskedLM(found.config)
    model.load_state_dict({name: x for name, x in found.tensors.items() if not name.startswith(CLASSIFIER)})
    return model.eval()
