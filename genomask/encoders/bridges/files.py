"""A checkpoint's folder in, its config and its tensors out; whatever else a file may carry is never run."""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from genomask.encoders.bridges.wrappings import unwrapped
from genomask.errors import DataError

WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
"""Where transformers looks, in its order: a file of tensors, or the index of several."""

MAX_JSON_BYTES = 32 * 2**20
"""More than any config or index has; a larger file is something else under that name."""


def read_config(folder: Path) -> dict[str, Any]:
    """config.json as it stands; DataError if there is none, or it is not a JSON object."""
    path = folder / "config.json"
    if not path.is_file():
        raise DataError(
            f"{folder}: no model here (no config.json); give a run's folder 'model' or a Hugging Face folder"
        )
    return _read_table(path)


def model_type(config: Mapping[str, Any], folder: Path) -> str:
    """The model type a config states; BERT's first ones state it only in `architectures`. DataError if neither does."""
    named, built = config.get("model_type"), config.get("architectures")
    if named is None and isinstance(built, list) and built and str(built[0]).startswith("Bert"):
        return "bert"
    if not isinstance(named, str):
        raise DataError(f'{folder / "config.json"}: has no model_type; if this is a BERT, add "model_type": "bert"')
    return named


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Tensors by name, on the CPU, without wrappers of training; from safetensors or, if there are none, pickles.

    Raises DataError for a missing or unreadable file, and for a pickle with anything but tensors: it is not run.
    """
    tensors: dict[str, Tensor] = {}
    for path in weight_files(folder):
        tensors |= unwrapped(_load(path), path)
    return tensors


def weight_files(folder: Path) -> list[Path]:
    """The files that hold a folder's tensors; DataError where there are none, or a shard is missing."""
    path = next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)
    if path is None:
        raise DataError(f"{folder}: config.json but no weights (model.safetensors or pytorch_model.bin); copy them too")
    if path.suffix != ".json":
        return [path]
    places = _read_table(path).get("weight_map")
    if not isinstance(places, dict) or not places or not all(isinstance(name, str) for name in places.values()):
        raise DataError(f"{path}: has no weight_map of tensors to files; copy the index again")
    names = sorted(set(places.values()))
    for name in names:
        if Path(name).name != name:
            raise DataError(f"{path}: names {name!r}, which is not beside it; nothing outside the folder is read")
        if not (folder / name).is_file():
            raise DataError(f"{folder}: lacks {name}, one of the {len(names)} files of its weights; copy it too")
    return [folder / name for name in names]


def _load(path: Path) -> Any:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as parts:  # PyTorch only stores; a compressed part may expand without bound
                if any(part.compress_type != zipfile.ZIP_STORED for part in parts.infolist()):
                    raise DataError(f"{path}: a compressed archive, which PyTorch never writes; save the weights again")
        return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as problem:
        raise DataError(f"{path}: cannot be read ({problem.strerror or problem}); check its permissions") from problem
    except DataError:
        raise
    except Exception as problem:  # torch's reader parses whatever bytes there are, and raises errors of many kinds
        raise DataError(
            f"{path}: the weights are damaged or cut short, or hold more than tensors (nothing in them was run); copy "
            "the file again, or ask its author for model.safetensors"
        ) from problem


def _read_table(path: Path) -> dict[str, Any]:
    """A JSON object; DataError for anything else."""
    if path.stat().st_size > MAX_JSON_BYTES:
        raise DataError(f"{path}: too large for a {path.name} ({path.stat().st_size:,} bytes); copy the right file")
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise DataError(f"{path}: cannot be read ({problem.strerror}); check its permissions") from problem
    except (ValueError, RecursionError) as problem:
        raise DataError(f"{path}: not a valid JSON file ({problem}); copy it again") from problem
    if not isinstance(table, dict):
        raise DataError(f"{path}: not a JSON object; give the {path.name} that belongs to the weights")
    return table
