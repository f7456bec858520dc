"""Memory allocators by name, and programs that run under one of them."""

import ctypes.util
import os
import subprocess
from collections.abc import Sequence

from genomask.errors import SettingsError

MALLOC = {"MALLOC_TRIM_THRESHOLD_": "-1", "MALLOC_MMAP_MAX_": "0"}
"""glibc keeps freed memory for the next step instead of giving it back to the system."""
CHOICE = (*MALLOC, "LD_PRELOAD")
"""The environment variables that choose an allocator."""


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
    """Whether this process itself runs under that allocator."""
    return {key: os.environ[key] for key in CHOICE if key in os.environ} == allocator_environment(name)


def run_under(name: str, command: Sequence[str]) -> int:
    """The exit status of a command that runs under that allocator."""
    environment = {key: value for key, value in os.environ.items() if key not in CHOICE}
    return subprocess.run(command, env=environment | allocator_environment(name)).returncode
