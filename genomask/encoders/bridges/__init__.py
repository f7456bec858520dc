"""Checkpoints of others: their config and state dict in, our model out, and back. Nothing is executed or guessed."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from genomask.encoders.bridges.bert import from_bert, to_bert
from genomask.encoders.bridges.files import model_type, read_config, read_weights
from genomask.encoders.bridges.mosaicbert import from_mosaicbert, is_mosaicbert, to_mosaicbert
from genomask.encoders.heads import MosaicBertForMaskedLM
from genomask.errors import DataError

EXPORTS: Mapping[str, Callable[[MosaicBertForMaskedLM], tuple[dict[str, Any], dict[str, Tensor]]]] = {
    "mosaicbert": to_mosaicbert,
    "bert": to_bert,
}
"""The name schemes a model can be written in: model -> (config, state dict)."""

HALVES = ({torch.bfloat16}, {torch.float16})
"""The types of a checkpoint's tensors that float32 holds and gives back, bit by bit."""


def from_folder(folder: Path, *, keep_type: bool = False) -> MosaicBertForMaskedLM:
    """A folder with config.json and model.safetensors or pytorch_model.bin, MosaicBERT's or BERT's -> our model.

    In float32, as training wants it; with `keep_type` in bf16 or fp16 where the file holds nothing else. Raises
    DataError for another architecture, and for files that are missing, damaged or more than tensors.
    """
    config = read_config(folder)
    bridge = _bridge_for(config, folder)
    weights = read_weights(folder)
    model = bridge(config, weights)
    types = {x.dtype for x in weights.values() if x.is_floating_point()}
    return model.type(types.pop()) if keep_type and types in HALVES else model


def _bridge_for(config: dict[str, Any], folder: Path) -> Callable[..., MosaicBertForMaskedLM]:
    if is_mosaicbert(config):
        return from_mosaicbert
    kind = model_type(config, folder)
    if kind == "bert":
        return from_bert
    raise DataError(
        f"{folder / 'config.json'}: model_type is {kind!r}; only 'bert' (BERT, DNABERT, MosaicBERT, DNABERT-2) can be "
        "turned into our encoder"
    )


__all__ = [
    "EXPORTS",
    "from_bert",
    "from_folder",
    "from_mosaicbert",
    "is_mosaicbert",
    "model_type",
    "read_config",
    "read_weights",
    "to_bert",
    "to_mosaicbert",
]
