"""Checkpoints: weights and optimiser state as safetensors, written whole or not at all, read back with a check.

step-N/ holds model.safetensors, optimizer.safetensors, state.json and checkpoint.sha256, the digests of the three; in
a pretraining run also the model's config and tokenizer, so that it opens like any model.
Dropout, windows and masks are pure functions of seed and step, so no random state needs saving.
"""

import json
import logging
import re
import shutil
from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from genomask.errors import TrainingError, UserError
from genomask.files.atomic import atomic_folder
from genomask.files.digests import check_digests, write_digests
from genomask.training.checkpoint_state import CheckpointState, from_state, to_state
from genomask.training.finite import first_not_finite, require_finite

KEPT = 2
"""Checkpoints that stay on disk: the last, and the one before it in case the last is damaged. The best stays too."""

CHECKPOINTS_AT_ONCE = KEPT + 2
"""Most on disk at once: those kept, the best and the one being written."""

FILES = ("model.safetensors", "optimizer.safetensors", "state.json")
DIGESTS = "checkpoint.sha256"

log = logging.getLogger(__name__)


class Snapshot(NamedTuple):
    """What a checkpoint holds."""

    progress: CheckpointState
    weights: dict[str, Tensor]
    moments: dict[str, Tensor]

    def copied(self) -> "Snapshot":
        """The same in main memory, untouched by what training does next."""
        weights, moments = (
            {name: x.detach().to("cpu", copy=True) for name, x in tensors.items()}
            for tensors in (self.weights, self.moments)
        )
        return Snapshot(self.progress, weights, moments)


def snapshot(model: nn.Module, optimizer: torch.optim.Optimizer, progress: CheckpointState) -> Snapshot:
    """What a checkpoint of this moment holds; the tensors are the live ones, not copies."""
    return Snapshot(progress, _unshared(dict(model.state_dict())), _optimizer_tensors(model, optimizer))


def save_checkpoint(
    folder: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    progress: CheckpointState,
    spared: Collection[int] = (),
) -> None:
    """Write a checkpoint of this moment by `write_checkpoint`, and wait for it."""
    write_checkpoint(folder, snapshot(model, optimizer, progress), spared)


def write_checkpoint(
    folder: Path,
    contents: Snapshot,
    spared: Collection[int] = (),
    describe: Callable[[Path], None] = lambda _: None,
) -> None:
    """Write folder/step-N and drop all but the newest KEPT and those of the steps `spared`.

    Later ones are dropped too: they were not usable, or the run would have begun from them. `describe` writes into the
    folder whatever else is needed to open the model. Raises TrainingError for an OSError (no disk left), which leaves
    the older ones whole, and for weights or moments that are not finite, which are not written.
    """
    progress, weights, moments = contents
    require_finite(weights | moments, progress.steps_done)
    target = folder / f"step-{progress.steps_done}"
    try:
        with atomic_folder(target) as aside:
            save_file(weights, aside / "model.safetensors")
            save_file(moments, aside / "optimizer.safetensors")
            (aside / "state.json").write_text(json.dumps(to_state(progress, len(moments))))
            write_digests(aside / DIGESTS, FILES)
            describe(aside)
    except OSError as error:
        raise TrainingError(
            f"the checkpoint of step {progress.steps_done} could not be written to {folder} ({error.strerror}); "
            "older checkpoints are untouched: free space on the disk, then use --resume"
        ) from error
    found = list_checkpoints(folder)
    n_usable = sum(step <= progress.steps_done for step, _ in found)
    for step, path in found[: max(0, n_usable - KEPT)] + found[n_usable:]:
        if step not in spared:
            shutil.rmtree(path)


def load_weights(folder: Path, step: int, model: nn.Module) -> None:
    """Load the weights of folder/step-N into the model. Raises TrainingError if they are damaged or missing."""
    path = folder / f"step-{step}"
    try:
        check_digests(path / DIGESTS)
        weights = load_file(path / "model.safetensors")
        _check_weights(weights, _unshared(dict(model.state_dict())))
    except (OSError, SafetensorError, ValueError, UserError) as error:
        reason = str(error).split("\n")[0]
        raise TrainingError(f"checkpoint {path} cannot be used ({reason}); start again with another --out") from error
    _load_weights(model, weights)


def checkpoint_bytes(model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Bytes of one on disk, to a few kilobytes; the optimizer must have done a step."""
    tensors = [*_unshared(dict(model.state_dict())).values(), *_optimizer_tensors(model, optimizer).values()]
    return sum(x.numel() * x.element_size() for x in tensors)


def list_checkpoints(folder: Path) -> list[tuple[int, Path]]:
    """(step, path) of the checkpoints in a folder, oldest first; anything else there is ignored."""
    paths = [path for path in folder.glob("step-*") if re.fullmatch(r"step-(0|[1-9][0-9]{0,17})", path.name)]
    return sorted((int(path.name.removeprefix("step-")), path) for path in paths if path.is_dir())


def restore_checkpoint(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> CheckpointState:
    """Load the newest whole checkpoint into model and optimiser; returns its progress, or the beginning for none.

    One that is not what was written, is not finite, or belongs to another model is skipped for the one before it, and
    this is logged. Raises TrainingError if checkpoints exist but none can be used.
    """
    if folder.exists() and not folder.is_dir():
        raise TrainingError(f"{folder} is not a folder, so checkpoints cannot be saved there; move it away")
    found = list_checkpoints(folder)
    for step, path in reversed(found):
        try:
            return _restore(path, step, model, optimizer)
        except (OSError, SafetensorError, ValueError, RuntimeError, UserError) as error:
            reason = str(error).split("\n")[0]
            log.warning("checkpoint %s cannot be used (%s); trying the one before it", path, reason)
    if found:
        raise TrainingError(
            f"no checkpoint in {folder} can be used ({len(found)} found); "
            "restore one from a backup, or start again with another --out"
        )
    return CheckpointState()


def _restore(path: Path, step: int, model: nn.Module, optimizer: torch.optim.Optimizer) -> CheckpointState:
    """Check everything before loading anything; raises what `restore_checkpoint` catches."""
    if (path / DIGESTS).exists():
        check_digests(path / DIGESTS)
    else:
        log.warning("checkpoint %s has no digests (%s), like those of earlier versions: its bytes are unchecked", path,
                    DIGESTS)  # fmt: skip
    progress, n_moments = from_state(json.loads((path / "state.json").read_text()))
    if progress.steps_done != step:
        raise ValueError(f"its state.json is for step {progress.steps_done}")
    weights, moments = load_file(path / "model.safetensors"), load_file(path / "optimizer.safetensors")
    _check_weights(weights, _unshared(dict(model.state_dict())))
    _check_moments(moments, {name: p for name, p in model.named_parameters() if p.requires_grad}, n_moments)
    if name := first_not_finite(weights | moments):
        raise ValueError(f"{name} is not finite")
    _load_weights(model, weights)
    _load_moments(model, optimizer, moments)
    return progress


def _check_weights(weights: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    """Strict, except for the tied names that safetensors stores once."""
    if weights.keys() != wanted.keys():
        raise ValueError(f"it holds other tensors: {sorted(weights.keys() ^ wanted.keys())[:3]}")
    for name, tensor in wanted.items():
        _check_like(name, weights[name], tensor.shape, tensor.dtype)


def _check_moments(moments: dict[str, Tensor], parameters: dict[str, nn.Parameter], n_moments: int | None) -> None:
    """Every tensor must belong to a parameter and have its shape, or be a step count; none may be missing."""
    for name, value in moments.items():
        parameter, _, key = name.rpartition("/")
        if parameter not in parameters:
            raise ValueError(f"the optimizer's {name} belongs to no parameter of this model")
        shape = torch.Size() if key == "step" else parameters[parameter].shape
        _check_like(name, value, shape, torch.float32 if key == "step" else parameters[parameter].dtype)
    without = parameters.keys() - {name.rpartition("/")[0] for name in moments}
    if without if n_moments is None else len(moments) != n_moments:
        raise ValueError(f"the optimizer's state lacks tensors: it has {len(moments)}")


def _check_like(name: str, tensor: Tensor, shape: torch.Size, dtype: torch.dtype) -> None:
    if (tensor.shape, tensor.dtype) != (shape, dtype):
        raise ValueError(f"{name} is {list(tensor.shape)} {tensor.dtype}, the model's is {list(shape)} {dtype}")


def _load_weights(model: nn.Module, weights: dict[str, Tensor]) -> None:
    with torch.no_grad():
        for name, tensor in _unshared(dict(model.state_dict())).items():
            tensor.copy_(weights[name])


def _unshared(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Each storage once, under the first of its names: safetensors refuses tensors that share memory."""
    kept: dict[int, str] = {}
    for name, tensor in state.items():
        kept.setdefault(tensor.data_ptr(), name)
    return {name: state[name].contiguous() for name in kept.values()}


def _optimizer_tensors(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimizer's moments and step counts, named '<parameter>/<moment>'."""
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
