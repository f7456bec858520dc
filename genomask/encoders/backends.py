"""The table of attention backends, and the one place where the choice is made."""

from collections.abc import Callable
from importlib.util import find_spec

import torch

from genomask.encoders.attention import Attention
from genomask.encoders.flash import flash
from genomask.encoders.flex import flex
from genomask.encoders.sdpa import sdpa
from genomask.errors import SettingsError

BACKENDS: dict[str, Attention] = {"flash": flash, "flex": flex, "sdpa": torch.compiler.disable(sdpa)}
"""Best first. A compiled model runs `sdpa` as it is: it cuts by lengths that only the host knows."""

OLDEST_FOR_TRITON = (7, 0)
"""CUDA compute capability."""


def _runs_flash(device: torch.device) -> bool:
    return device.type == "cuda" and find_spec("flash_attn") is not None


def _runs_flex(device: torch.device) -> bool:
    if device.type != "cuda" or find_spec("triton") is None:
        return False
    return torch.cuda.get_device_capability(device) >= OLDEST_FOR_TRITON


NEEDS: dict[str, tuple[Callable[[torch.device], bool], str]] = {
    "flash": (_runs_flash, "a CUDA GPU and flash-attn (pip install 'genomask[flash]')"),
    "flex": (_runs_flex, "a CUDA GPU of compute capability 7.0 or more and Triton (pip install triton)"),
}
"""What tells whether a backend runs on a device, and how to get it; a backend that is not here runs everywhere."""


def backends_on(device: torch.device) -> list[str]:
    """The backends that run on `device`, best first."""
    return [name for name in BACKENDS if name not in NEEDS or NEEDS[name][0](device)]


@torch.compiler.assume_constant_result  # a compiled model asks once, while it is compiled
def choose_backend(name: str, device: torch.device, dtype: torch.dtype = torch.bfloat16) -> str:
    """Turn 'auto' into the best backend on `device` for the type computed in; SettingsError for one that cannot run."""
    here = backends_on(device)
    half = dtype in (torch.bfloat16, torch.float16)
    if name == "auto":
        return next(x for x in here if half or x != "flash")
    if name not in here:
        how = f"; {name!r} needs {NEEDS[name][1]}" if name in NEEDS else ""
        raise SettingsError(
            f"attention_backend {name!r} is not available on {device.type}; use one of: auto, {', '.join(here)}{how}"
        )
    if name == "flash" and not half:
        raise SettingsError(
            "attention_backend 'flash' computes in bf16 or fp16 only; set training.precision=bf16, or "
            "encoder.attention_backend=flex, which takes fp32 too"
        )
    return name
