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

state = {"kept": False}
"""What was done for this process."""


def keep_freed_memory() -> bool:
    """Let glibc keep what is freed for the next time; False, and nothing done, on any other C library."""
    if not is_glibc():
        return False
    libc = ctypes.CDLL(None)
    state["kept"] = bool(libc.mallopt(M_TRIM_THRESHOLD, -1) and libc.mallopt(M_MMAP_MAX, 0))
    log.debug("mallopt(M_TRIM_THRESHOLD, -1), mallopt(M_MMAP_MAX, 0): %s", "done" if state["kept"] else "refused")
    return state["kept"]


def allocator_name() -> str:
    """How this process takes memory, for people and for a run's environment.json."""
    return "glibc, keeping freed memory" if state["kept"] else "as the system has it"


def is_glibc() -> bool:
    """Is the C library of this process glibc?"""
    name = "CS_GNU_LIBC_VERSION"
    return name in getattr(os, "confstr_names", {}) and (os.confstr(name) or "").startswith("glibc")
