"""MosaicBERT checkpoints, DNABERT-2 included: the original names and config in, our model out, and back."""

import logging
from collections.abc import Mapping
from typing import Any

import torch.nn.functional as F
from torch import Tensor
from transformers import PretrainedConfig

from genomask.encoders.bridges.tensors import (
    CLASSIFIER,
    DECODER,
    DECODER_BIAS,
    SHARED_SETTINGS,
    WORDS,
    Checkpoint,
    Form,
    as_table,
    expected_tensors,
    filled,
    model_tensors,
    padded,
    plain_form,
    refuse_misfit,
    shared_settings,
    with_encoders_name,
)
from genomask.encoders.config import MosaicBertConfig
from genomask.encoders.heads import MosaicBertForMaskedLM
from genomask.errors import SettingsError

log = logging.getLogger(__name__)

KIND = "MosaicBERT"
FORM = Form("alibi", "glu")
"""The form of encoder that its names describe."""
STARTING_SIZE = "alibi_starting_size"
"""The setting that distinguishes its config from BERT's: both are published with model_type 'bert'."""
MODEL_TYPE = "mosaicbert"
"""What ours say: transformers reports it as unknown, whereas 'bert' would open as a BERT with random layers."""

CLASSIFIERS_TENSORS = {f"{part}.{kind}" for part in ("bert.pooler.dense", "classifier") for kind in ("weight", "bias")}


def is_mosaicbert(config: Mapping[str, Any]) -> bool:
    """Whether a config is MosaicBERT's; it may have been written without a model_type."""
    return STARTING_SIZE in config and config.get("model_type", "bert") in ("bert", MODEL_TYPE)


def from_mosaicbert(
    config: Mapping[str, Any] | PretrainedConfig, state_dict: Mapping[str, Tensor]
) -> MosaicBertForMaskedLM:
    """A MosaicBERT checkpoint with the original parameter names -> our model, in eval mode, weights copied bit by bit.

    Exactly the ids of the config's vocab_size are predicted. If vocab_size counts padding, that is predicted over too,
    as in the original; rows beyond vocab_size are kept and never predicted. The decoder is stored as `decoder.weight`
    and `decoder.bias`, or as `predictions.bias` alone; the bias may end at vocab_size; buffers and other heads are left
    out. Raises DataError for a missing, unknown or misshapen tensor, SettingsError for a config out of range.
    """
    return filled(read_mosaicbert(config, state_dict), KIND)


def read_mosaicbert(config: Mapping[str, Any] | PretrainedConfig, state_dict: Mapping[str, Tensor]) -> Checkpoint:
    """The same as our config and tensors, whatever is on the encoder: the masked-token head, a classifier or nothing.

    A pooler is kept with the classifier that was trained on it; masked tokens train none. Raises as above.
    """
    config = as_table(config)
    if config.get("attention_probs_dropout_prob"):
        log.warning("this checkpoint was trained with attention dropout; ours has none (inference is unaffected)")
    plain = plain_form(state_dict, KIND)
    ours = MosaicBertConfig(**shared_settings(config, KIND))
    if len(plain[WORDS]) > ours.vocab_size:
        ours.vocab_rows = len(plain[WORDS])
        bias = plain.get(DECODER_BIAS)
        if bias is not None and bias.shape == (ours.vocab_size,):
            plain[DECODER_BIAS] = F.pad(bias, (0, ours.vocab_rows - ours.vocab_size))
    refuse_misfit(plain, expected_tensors(ours, plain), KIND)
    found = padded(ours, plain)
    trained = {name: x for name, x in with_encoders_name(state_dict).items() if name.startswith(CLASSIFIER)}
    if trained.keys() == CLASSIFIERS_TENSORS and trained["classifier.bias"].ndim == 1:
        ours.num_labels = len(trained["classifier.bias"])
        found.tensors.update(trained)
    return found


def to_mosaicbert(model: MosaicBertForMaskedLM) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Our model -> the original's config and state dict; SettingsError for what the original cannot express."""
    config = model.config
    if Form.of(config) != FORM:
        raise SettingsError(
            f"a model with {Form.of(config)} cannot be written as MosaicBERT, which "
            f"has only plain ALiBi, a GLU and no stem; keep it as it is, or pretrain one with {FORM.asked_for}"
        )
    theirs = {
        "model_type": MODEL_TYPE,
        "architectures": ["BertForMaskedLM"],
        STARTING_SIZE: config.max_position_embeddings,
        "hidden_act": "gelu",
        "attention_probs_dropout_prob": 0.0,
        **{name: getattr(config, name) for name in SHARED_SETTINGS},
    }
    tensors = model_tensors(model)
    return theirs, tensors | {DECODER: tensors[WORDS].clone()}
