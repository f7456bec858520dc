"""Checkpoints of others: their config and state dict in, our model out, and back. Nothing is executed or guessed."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

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


def from_folder(folder: Path) -> MosaicBertForMaskedLM:
    """A folder with config.json and model.safetensors or pytorch_model.bin, MosaicBERT's or BERT's -> our model.

    Raises DataError for another architecture, and for files that are missing, damaged or more than tensors.
    """
    config = read_config(folder)
    if is_mosaicbert(config):
        return from_mosaicbert(config, read_weights(folder))
    kind = model_type(config, folder)
    if kind == "bert":
        return from_bert(config, read_weights(folder))
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
