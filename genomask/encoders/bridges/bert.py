"""BERT checkpoints, DNABERT included: transformers' names and config in, our model out, and back.

Ours with positions=learned and mlp=dense is BERT, with q, k and v in one matrix and other names for three parts.
Dropout in training differs: BERT also drops attention weights, and drops after the MLP's second matrix, not before.
Letters: D width.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from transformers import PretrainedConfig

from genomask.encoders.bridges.tensors import (
    DECODER,
    DECODER_BIAS,
    LONE_BIAS,
    SHARED_SETTINGS,
    WORDS,
    Form,
    as_table,
    expected_tensors,
    filled,
    model_tensors,
    padded,
    plain_form,
    refuse_misfit,
    shared_settings,
)
from genomask.encoders.config import MosaicBertConfig
from genomask.encoders.heads import MosaicBertForMaskedLM
from genomask.errors import SettingsError

KIND = "BERT"
FORM = Form("learned", "dense")
"""The form of encoder that its names describe."""
LAYER = r"(bert\.encoder\.layer\.\d+)\."
RENAMED = {"intermediate.dense": "mlp.wi", "output.dense": "mlp.wo", "output.LayerNorm": "mlp.layernorm"}
"""BERT's names for the parts of a layer's MLP, and ours."""
FUSED = "attention.self.Wqkv"
SEPARATE = ("attention.self.query", "attention.self.key", "attention.self.value")
"""BERT's projections, in the order of our fused one."""


def from_bert(config: Mapping[str, Any] | PretrainedConfig, state_dict: Mapping[str, Tensor]) -> MosaicBertForMaskedLM:
    """A BERT checkpoint with its masked-token head -> ours with positions=learned, mlp=dense, in eval mode.

    Raises DataError for a missing, unknown or misshapen tensor, SettingsError for a config out of range.
    """
    plain = plain_form(state_dict, KIND)
    ours = MosaicBertConfig(**shared_settings(as_table(config), KIND), positions="learned", mlp="dense")
    refuse_misfit(plain, dict(_separated(expected_tensors(ours, plain))), KIND)
    return filled(padded(ours, dict(_fused(plain))), KIND)


def to_bert(model: MosaicBertForMaskedLM) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Ours -> the config and the complete state dict of transformers' BertForMaskedLM.

    Raises SettingsError for a model that BERT cannot express.
    """
    config = model.config
    if Form.of(config) != FORM:
        raise SettingsError(
            f"a model with {Form.of(config)} cannot be written as BERT, which has only "
            "learned positions, a dense MLP and no stem; write plain ALiBi with a GLU as mosaicbert, or pretrain one "
            f"with {FORM.asked_for}"
        )
    theirs = {
        "model_type": "bert",
        "architectures": ["BertForMaskedLM"],
        "hidden_act": "gelu",
        "attention_probs_dropout_prob": 0.0,  # if it is absent, transformers takes 0.1
        "tie_word_embeddings": True,
        **{name: getattr(config, name) for name in SHARED_SETTINGS},
    }
    tensors = dict(_separated(model_tensors(model)))
    tied = {DECODER: tensors[WORDS].clone(), LONE_BIAS: tensors[DECODER_BIAS].clone()}
    return theirs, tensors | tied


def _fused(theirs: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """BERT's tensors under our names, query, key and value concatenated."""
    first, *others = SEPARATE
    for name, x in theirs.items():
        if first in name:
            yield name.replace(first, FUSED), torch.cat([theirs[name.replace(first, part)] for part in SEPARATE])
        elif not any(part in name for part in others):
            yield re.sub(rf"{LAYER}({'|'.join(RENAMED)})\.", lambda at: f"{at[1]}.{RENAMED[at[2]]}.", name), x


def _separated(ours: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """The reverse of `_fused`."""
    back = {mine: theirs for theirs, mine in RENAMED.items()}
    for name, x in ours.items():
        if FUSED in name:
            for part, piece in zip(SEPARATE, x.chunk(3), strict=True):
                yield name.replace(FUSED, part), piece.clone()
        else:
            yield re.sub(rf"{LAYER}({'|'.join(back)})\.", lambda at: f"{at[1]}.{back[at[2]]}.", name), x
