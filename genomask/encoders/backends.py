"""The table of attention backends, and the one place where one is chosen."""

import os
import shutil
import sysconfig
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import torch

from genomask.encoders.attention import Attention
from genomask.encoders.flash import flash
from genomask.encoders.flex import flex
from genomask.encoders.sdpa import sdpa
from genomask.errors import SettingsError

BACKENDS: dict[str, Attention] = {"flash": flash, "flex": flex, "sdpa": torch.compiler.disable(sdpa)}
"""Best first. A compiled model runs `sdpa` uncompiled: it cuts by lengths that only the host knows."""

OLDEST = (8, 0)
"""Lowest CUDA compute capability for flash-attn and for Triton, whose products older GPUs emulate."""

C_COMPILERS = ("gcc", "clang")
"""Triton builds its kernel launchers with one of these, or with what CC names, against Python's headers."""


def _runs_flash(device: torch.device) -> bool:
    return device.type == "cuda" and is_installed("flash_attn") and _is_recent(device)


def _runs_flex(device: torch.device) -> bool:
    return device.type == "cuda" and is_installed("triton") and builds_c() and _is_recent(device)


def _is_recent(device: torch.device) -> bool:
    return torch.cuda.get_device_capability(device) >= OLDEST


@cache  # this and the next are called at each forward pass on a GPU
def is_installed(package: str) -> bool:
    """Whether the package can be imported; cached, since looking for a missing one searches all of sys.path."""
    return find_spec(package) is not None


@cache
def builds_c() -> bool:
    """Whether this machine has the compiler and headers that Triton needs."""
    has_compiler = "CC" in os.environ or any(map(shutil.which, C_COMPILERS))
    return has_compiler and Path(sysconfig.get_path("include"), "Python.h").is_file()


NEEDS: dict[str, tuple[Callable[[torch.device], bool], str]] = {
    "flash": (
        _runs_flash,
        "a CUDA GPU of compute capability 8.0 or more and flash-attn (pip install 'genomask[flash]')",
    ),
    "flex": (
        _runs_flex,
        "a CUDA GPU of compute capability 8.0 or more, Triton (pip install triton), and a C compiler with Python's "
        "headers (Debian, Ubuntu: apt install gcc python3-dev)",
    ),
}
"""Whether a backend runs on a device, and how to get it; a backend that is not listed runs everywhere."""


def slow_because(backend: str, device: torch.device) -> str:
    """Why attention by `backend` is slow on a GPU, and what flex needs; empty where it is not slow."""
    if device.type != "cuda" or backend in NEEDS:
        return ""
    return f"attention by {backend} is slow on a GPU and leaves models uncompiled; flex needs {NEEDS['flex'][1]}"


def backends_on(device: torch.device) -> list[str]:
    """The backends that run on `device`, best first."""
    return [name for name in BACKENDS if name not in NEEDS or NEEDS[name][0](device)]


@torch.compiler.assume_constant_result  # a compiled model asks once, while it is compiled
def choose_backend(name: str, device: torch.device, dtype: torch.dtype = torch.bfloat16) -> str:
    """Turn 'auto' into the best backend on `device` for `dtype`; SettingsError for a backend that cannot run."""
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
