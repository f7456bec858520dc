"""What a figure was measured on, and under which memory allocator; plain JSON values out."""

import ctypes.util
import os
import platform
from datetime import UTC, datetime
from pathlib import Path

import torch

import genomask
from genomask.encoders.hardware import multiplies_in_bf16
from genomask.errors import SettingsError
from genomask.training.environment import package_versions

MALLOC = {"MALLOC_TRIM_THRESHOLD_": "-1", "MALLOC_MMAP_MAX_": "0"}
"""glibc keeps freed memory for the next step instead of giving it back to the system."""


def describe_machine(device: torch.device) -> dict:
    """Machine, versions and date."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "bf16_units": multiplies_in_bf16(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "platform": platform.platform(),
        "genomask": genomask.__version__,
        "packages": package_versions(),
        "load_at_start": os.getloadavg()[0],
    }


def _processor() -> str:
    """Name, and family and model, by which a virtual machine's processor is known better than by its name."""
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return platform.processor() or platform.machine()
    fields = dict(line.split(":", 1) for line in path.read_text().split("\n\n")[0].splitlines() if ":" in line)
    found = {name.strip(): value.strip() for name, value in fields.items()}
    return f"{found.get('model name')} (family {found.get('cpu family')}, model {found.get('model')})"


def allocator_environment(name: str) -> dict[str, str]:
    """Environment variables of 'kept', 'default' or 'tcmalloc'; SettingsError where it is not installed."""
    if name == "kept":
        return MALLOC
    if name == "default":
        return {}
    library = ctypes.util.find_library("tcmalloc_minimal")
    if name != "tcmalloc" or library is None:
        raise SettingsError(
            f"allocator {name!r} is not here; kept, default, tcmalloc (apt install libtcmalloc-minimal4)"
        )
    return {"LD_PRELOAD": library}


def runs_under(name: str) -> bool:
    """Does this very process run under that allocator?"""
    ours = {key: os.environ[key] for key in (*MALLOC, "LD_PRELOAD") if key in os.environ}
    return ours == allocator_environment(name)


def without_allocator(environment: dict[str, str]) -> dict[str, str]:
    """The environment less what chooses an allocator."""
    return {key: value for key, value in environment.items() if key not in (*MALLOC, "LD_PRELOAD")}
