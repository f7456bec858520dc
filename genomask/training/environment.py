"""environment.json: what a run was made with, so that a figure can be traced to its machine and versions."""

import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

import torch

import genomask
from genomask.allocator import allocator_name

PACKAGES = ("torch", "transformers", "tokenizers", "safetensors", "datasets", "numpy", "numba", "scikit-learn", "scipy")


def describe_environment(device: torch.device, precision: str, backend: str, compiled: bool) -> dict:
    """Versions, machine, device, precision, attention backend, compilation and allocator, as plain JSON values."""
    return {
        "genomask": genomask.__version__,
        "python": platform.python_version(),
        "packages": package_versions(),
        "platform": platform.platform(),
        "cpu_count": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "precision": precision,
        "attention_backend": backend,
        "compiled": compiled,
        "allocator": allocator_name(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
    }


def package_versions() -> dict[str, str]:
    """Installed versions of the packages that shape a result."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
