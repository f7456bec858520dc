"""Whether a run's model is compiled: setting, device and backend in, a module with the same call and weights out."""

import shutil

import torch
from torch import nn

from genomask.errors import SettingsError

FIXED_SHAPE_BACKENDS = ("flash", "flex")
"""Those that never ask the host for a length; only with them can one whole graph serve every batch."""

CPU_COMPILERS = ("c++", "g++", "clang++", "cl")


def choose_compile(name: str, device: torch.device, backend: str, *, unpadding: bool = True) -> bool:
    """Turn 'auto' into True or False: on for CUDA, off for the CPU, where it gains little and needs a C++ compiler.

    Without `unpadding` it is off for CUDA too: each of the empty sequences that fill up a batch would be a row.

    Raises SettingsError if it is asked for and impossible.
    """
    if name != "on":
        return name == "auto" and device.type == "cuda" and backend in FIXED_SHAPE_BACKENDS and unpadding
    if device.type == "cuda" and not unpadding:
        raise SettingsError(
            "training.compile is 'on' but encoder.unpadding is false, so each empty sequence that fills up a batch "
            "would be computed as a whole row; use training.compile=off."
        )
    if device.type == "cuda" and backend not in FIXED_SHAPE_BACKENDS:
        raise SettingsError(
            f"training.compile is 'on' but the attention backend {backend!r} needs lengths on the host; "
            f"use encoder.attention_backend={' or '.join(FIXED_SHAPE_BACKENDS)}, or training.compile=off"
        )
    if device.type == "cpu" and not any(map(shutil.which, CPU_COMPILERS)):
        raise SettingsError(
            "training.compile is 'on' but no C++ compiler is found; install one (Debian, Ubuntu: apt install g++), "
            "or use training.compile=off"
        )
    return True


def compile_model(model: nn.Module, device: torch.device) -> nn.Module:
    """`model` compiled at its first call, with the same weights.

    On CUDA, one whole graph for batches of one fixed shape: another shape would be compiled again. CUDA graphs are not
    used: a batch keeps the GPU busy for a tenth of a second, and launching its kernels takes a few milliseconds.
    On the CPU, attention stays uncompiled and lengths may vary.
    """
    whole = device.type == "cuda"
    compiled = torch.compile(model, fullgraph=whole, dynamic=not whole)
    assert isinstance(compiled, nn.Module)
    return compiled
