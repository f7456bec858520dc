"""Memory that a process keeps: nothing comes in, glibc's allocator is told, once, at the start of a process of ours.

A training step frees and takes the same hundreds of megabytes again. glibc gives large blocks back to the system each
time, which then fills them with zeros anew: up to 1.7 times the step. Importing genomask changes nothing.
"""

import ctypes
import logging
import os

log = logging.getLogger(__name__)

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Numbers of the options in glibc's malloc.h."""


_state = {"kept": False}


def keep_freed_memory() -> bool:
    """Let glibc keep what is freed for the next time; False, and nothing done, on any other C library."""
    if not _is_glibc():
        return False
    libc = ctypes.CDLL(None)
    _state["kept"] = bool(libc.mallopt(M_TRIM_THRESHOLD, -1) and libc.mallopt(M_MMAP_MAX, 0))
    log.debug("mallopt(M_TRIM_THRESHOLD, -1), mallopt(M_MMAP_MAX, 0): %s", "done" if _state["kept"] else "refused")
    return _state["kept"]


def allocator_name() -> str:
    """How this process takes memory, for people and for a run's environment.json."""
    return "glibc, keeping freed memory" if _state["kept"] else "as the system has it"


def _is_glibc() -> bool:
    name = "CS_GNU_LIBC_VERSION"
    return name in getattr(os, "confstr_names", {}) and (os.confstr(name) or "").startswith("glibc")
