"""Checkpoints: weights and optimiser state as safetensors, written whole or not at all, read back with a check.

Dropout, windows and masks are pure functions of seed and step, so no random state needs saving.
"""

import json
import logging
import shutil
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from genomask.atomic import atomic_folder
from genomask.errors import TrainingError

KEPT = 2
"""Checkpoints that stay on disk: the last, and the one before it in case the last is damaged."""

log = logging.getLogger(__name__)


class Progress(NamedTuple):
    """How far a run is: with weights and moments all that it needs to go on."""

    steps_done: int = 0
    tokens: int = 0
    fixed_mask_scores: tuple[
        float, ...
    ] = ()  # bits per hidden base at each evaluation, where a curriculum waits for them
    switched_at: int | None = None  # first step after the curriculum's switch


def save_checkpoint(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress) -> None:
    """Write folder/step-N and drop all but the newest KEPT; an OSError (no disk left) leaves the older ones whole."""
    target = folder / f"step-{progress.steps_done}"
    try:
        with atomic_folder(target) as aside:
            save_file(_unshared(dict(model.state_dict())), aside / "model.safetensors")
            save_file(_optimizer_tensors(model, optimizer), aside / "optimizer.safetensors")
            (aside / "state.json").write_text(json.dumps(progress._asdict()))
    except (OSError, SafetensorError) as error:
        raise TrainingError(
            f"the checkpoint of step {progress.steps_done} could not be written to {folder} ({error}); "
            "older checkpoints are untouched: make room on the disk, then use --resume"
        ) from error
    for _, old in list_checkpoints(folder)[:-KEPT]:
        shutil.rmtree(old)


def list_checkpoints(folder: Path) -> list[tuple[int, Path]]:
    """(step, path) of the checkpoints in a folder, oldest first."""
    paths = folder.glob("step-*") if folder.is_dir() else []
    return sorted((int(path.name.removeprefix("step-")), path) for path in paths)


def restore_checkpoint(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
    """Load the newest whole checkpoint into model and optimiser; returns how far it is, the beginning for none.

    A checkpoint that is cut short or belongs to another model is passed over for the one before it, and that is
    logged. Raises TrainingError where checkpoints exist but none can be read.
    """
    found = list_checkpoints(folder)
    for _, path in reversed(found):
        try:
            weights = load_file(path / "model.safetensors")
            moments = load_file(path / "optimizer.safetensors")
            state = json.loads((path / "state.json").read_text())
            _load_weights(model, weights)
            _load_moments(model, optimizer, moments)
            return Progress(**state | {"fixed_mask_scores": tuple(state["fixed_mask_scores"])})
        except (OSError, SafetensorError, ValueError, KeyError, RuntimeError) as error:
            reason = str(error).split("\n")[0]
            log.warning("checkpoint %s cannot be used (%s); trying the one before it", path, reason)
    if found:
        raise TrainingError(
            f"none of the {len(found)} checkpoints in {folder} can be read; "
            "restore one from a copy, or start again with another --out"
        )
    return Progress()


def _load_weights(model: nn.Module, weights: dict[str, Tensor]) -> None:
    """Strict, but for the tied names that safetensors stores once."""
    own = model.state_dict()
    wanted = _unshared(dict(own))
    if weights.keys() != wanted.keys():
        raise ValueError(f"it holds other tensors: {sorted(weights.keys() ^ wanted.keys())[:3]}")
    for name, tensor in wanted.items():
        if weights[name].shape != tensor.shape:
            raise ValueError(f"{name} is {list(weights[name].shape)}, the model's is {list(tensor.shape)}")
    with torch.no_grad():
        for name, tensor in wanted.items():
            tensor.copy_(weights[name])


def _unshared(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Each storage once, under the first of its names: safetensors refuses tensors that share memory."""
    kept: dict[int, str] = {}
    for name, tensor in state.items():
        kept.setdefault(tensor.data_ptr(), name)
    return {name: state[name].contiguous() for name in kept.values()}


def _optimizer_tensors(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """AdamW's moments and step counts, named '<parameter>/<moment>'."""
    return {
        f"{name}/{key}": value.contiguous()
        for name, parameter in model.named_parameters()
        for key, value in optimizer.state.get(parameter, {}).items()
    }


def _load_moments(model: nn.Module, optimizer: torch.optim.Optimizer, moments: dict[str, Tensor]) -> None:
    parameters = dict(model.named_parameters())
    for name, value in moments.items():
        parameter, key = name.rsplit("/", 1)
        device = "cpu" if key == "step" and parameters[parameter].device.type == "cpu" else parameters[parameter].device
        optimizer.state[parameters[parameter]][key] = value.to(device)
