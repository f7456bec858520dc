"""Where a run computes and what its hardware can do; the device is chosen once and logged."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from genomask.errors import SettingsError
from genomask.machine import processor as hardware
from genomask.machine.process import peak_memory


def peak_bytes(device: torch.device) -> int:
    """The most memory that this process has held at once on the device; on a CPU, in all."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else peak_memory()


def choose_device(name: str) -> torch.device:
    """Turn 'auto' into the device of this run; raises SettingsError for a GPU that is not there."""
    if name == "cuda" and not torch.cuda.is_available():
        raise SettingsError(
            "training.device is 'cuda' but PyTorch finds no CUDA GPU here; "
            "use cpu or auto, or install a CUDA build of torch."
        )
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def computes_in_bf16(device: torch.device) -> bool:
    """Does the hardware multiply in bf16 faster than in fp32? On CPUs without bf16 units it is emulated and slow."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(hardware.multiplies_in_bf16())


def scoring_precision(device: torch.device) -> str:
    """What a finished model is measured in: fp32 on every CPU, so that no score depends on its units."""
    return "bf16" if device.type == "cuda" and computes_in_bf16(device) else "fp32"


def computed_in(precision: str) -> torch.dtype:
    """The type that matrices are multiplied in."""
    return torch.bfloat16 if precision == "bf16" else torch.float32


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """Autocast to bf16, or nothing for fp32."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()
