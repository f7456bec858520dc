"""Other models' checkpoints: config and state dict in, our model out, and back. Nothing is executed or guessed."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from genomask.encoders.bridges import bert, mosaicbert
from genomask.encoders.bridges.bert import from_bert, to_bert
from genomask.encoders.bridges.files import model_type, read_config, read_weights
from genomask.encoders.bridges.mosaicbert import from_mosaicbert, is_mosaicbert, read_mosaicbert, to_mosaicbert
from genomask.encoders.bridges.tensors import Form, refuse_vast
from genomask.encoders.heads import MosaicBertForMaskedLM
from genomask.errors import DataError, UserError


class Scheme(NamedTuple):
    """Another model's name scheme: the only form of encoder it can express, and how one is written in it."""

    form: Form
    write: Callable[[MosaicBertForMaskedLM], tuple[dict[str, Any], dict[str, Tensor]]]


EXPORTS: Mapping[str, Scheme] = {
    "mosaicbert": Scheme(mosaicbert.FORM, to_mosaicbert),
    "bert": Scheme(bert.FORM, to_bert),
}
"""The name schemes a model can be written in: model -> (config, state dict)."""

HALVES = ({torch.bfloat16}, {torch.float16})
"""The types of a checkpoint's tensors that float32 holds and returns bit by bit."""


def from_folder(folder: Path, *, keep_type: bool = False) -> MosaicBertForMaskedLM:
    """A folder with config.json and model.safetensors or pytorch_model.bin, MosaicBERT's or BERT's -> our model.

    In float32, as training needs it; with `keep_type`, in bf16 or fp16 if the file holds nothing else. Raises
    DataError for another architecture, and for files that are missing, damaged or hold more than tensors.
    """
    config = read_config(folder)
    bridge = _bridge_for(config, folder)
    weights = read_weights(folder)
    try:
        model = bridge(config, weights)
    except UserError as problem:
        raise type(problem)(f"{folder}: {problem}") from problem
    refuse_not_finite(model, folder)
    return model.type(type_of(weights)) if keep_type else model


def type_of(weights: Mapping[str, Tensor]) -> torch.dtype:
    """bf16 or fp16 if a checkpoint holds nothing else, otherwise float32."""
    types = {x.dtype for x in weights.values() if x.is_floating_point()}
    return types.pop() if types in HALVES else torch.float32


def refuse_not_finite(model: nn.Module, folder: Path) -> None:
    """DataError naming the first parameter with a value that is nan or infinite."""
    for name, x in model.named_parameters():
        if x.numel() and not all(bound.isfinite() for bound in x.detach().aminmax()):
            raise DataError(
                f"{folder}: {name} holds values that are not finite (nan or inf), so nothing can be computed with it; "
                "give an earlier model or checkpoint of that run"
            )


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
    "Form",
    "from_bert",
    "from_folder",
    "from_mosaicbert",
    "is_mosaicbert",
    "model_type",
    "read_config",
    "read_mosaicbert",
    "read_weights",
    "refuse_not_finite",
    "refuse_vast",
    "to_bert",
    "to_mosaicbert",
    "type_of",
]
