"""A checkpoint's folder in, its config and its tensors out; what a file may carry besides tensors is never run."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from genomask.errors import DataError

UNREADABLE = (SafetensorError, EOFError, torch.serialization.pickle.UnpicklingError)
"""What readers of weights raise for a file that is damaged, no file of weights, or holds more than tensors."""


def read_config(folder: Path) -> dict[str, Any]:
    """config.json as it stands; DataError where there is none, or it is not a JSON object."""
    path = folder / "config.json"
    if not path.is_file():
        raise DataError(
            f"{folder}: no model here (no config.json); give a run's folder 'model' or a Hugging Face folder"
        )
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as problem:
        raise DataError(f"{path}: not a valid JSON file ({problem}); copy it again") from problem
    if not isinstance(config, dict):
        raise DataError(f"{path}: not a JSON object; give the config.json that belongs to the weights")
    return config


def model_type(config: Mapping[str, Any], folder: Path) -> str:
    """What a config says it is; BERT's first ones say so in `architectures` alone. DataError where neither tells."""
    named = config.get("model_type")
    if named is None and str((config.get("architectures") or [""])[0]).startswith("Bert"):
        return "bert"
    if named is None:
        raise DataError(f'{folder / "config.json"}: has no model_type; if this is a BERT, add "model_type": "bert"')
    return str(named)


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Tensors by name from model.safetensors or, where there is none, pytorch_model.bin; on the CPU.

    Raises DataError for a missing or unreadable file, and for a pickle with anything but tensors: it is not run.
    """
    safe, pickled = folder / "model.safetensors", folder / "pytorch_model.bin"
    path = safe if safe.is_file() else pickled
    if not path.is_file():
        raise DataError(f"{folder}: config.json but no weights (model.safetensors or pytorch_model.bin); copy them too")
    try:
        state = load_file(path) if path == safe else torch.load(path, map_location="cpu", weights_only=True)
    except (*UNREADABLE, RuntimeError) as problem:
        raise DataError(unreadable(path)) from problem
    if not isinstance(state, dict) or not all(isinstance(x, Tensor) for x in state.values()):
        raise DataError(f"{path}: not a table of tensors by name; save the model's state_dict alone")
    return state


def unreadable(path: Path) -> str:
    """The sentence for weights that cannot be read."""
    return (
        f"{path}: the weights are damaged or cut short, or hold more than tensors (nothing in them was run); copy the "
        "file again, or ask its author for model.safetensors"
    )
