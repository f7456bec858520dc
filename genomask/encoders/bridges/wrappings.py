"""What training scripts wrap around a state dict: tables within tables, and prefixes before every name."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from genomask.errors import DataError

NESTS = ("model", "state_dict", "model_state_dict", "module")
"""Keys under which training scripts keep the tensors, beside an optimizer's and others."""
MAX_DEPTH = 4

WRAPPERS = re.compile(r"^(?:module\.|_orig_mod\.)+|(?<=\.)_orig_mod\.")
"""Prefixes of DistributedDataParallel and torch.compile, which no architecture has of its own."""
HELD = re.compile(r"^(?:module\.|_orig_mod\.|model\.)*model\.(?:module\.|_orig_mod\.|model\.)*")
"""The same and `model.`, under which some scripts hold the encoder; other architectures use it themselves."""
OF_BERT = ("bert.", "embeddings.", "encoder.layer.", "cls.", "pooler.", "classifier.")
"""Prefixes of the names of BERT and MosaicBERT, with and without a head."""


def unwrapped(found: Any, path: Path) -> dict[str, Tensor]:
    """Tensors by their own names, whatever a script wrapped around them; DataError for anything else."""
    for _ in range(MAX_DEPTH):
        if _is_table(found):
            return _own_names(found, path)
        inner = [name for name in NESTS if isinstance(found, dict) and isinstance(found.get(name), dict)]
        if len(inner) != 1:
            break
        found = found[inner[0]]
    raise DataError(
        f"{path}: not a table of tensors by name, nor one under {', '.join(NESTS)}; save only the model's state_dict"
    )


def _is_table(found: Any) -> bool:
    return (
        isinstance(found, dict)
        and found != {}
        and all(isinstance(name, str) and _is_whole(x) for name, x in found.items())
    )


def _is_whole(x: Any) -> bool:
    """A tensor with its own memory for every element: a pickle may present one number as a billion."""
    return (
        isinstance(x, Tensor)
        and x.layout == torch.strided
        and x.numel() * x.element_size() <= x.untyped_storage().nbytes()
    )


def _own_names(found: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    held = {name: HELD.sub("", name) for name in found if HELD.match(name)}
    if not all(name.startswith(OF_BERT) for name in held.values()):
        held = {}
    tensors = {WRAPPERS.sub("", held.get(name, name)): x for name, x in found.items()}
    if len(tensors) < len(found):
        raise DataError(f"{path}: holds tensors twice, with and without a prefix; save the state_dict of one model")
    return tensors
