"""What this process may use of the machine (in many containers, fewer cores and less memory), and the memory it keeps.

Every training step frees and allocates the same hundreds of megabytes. By default glibc returns large blocks to the
system, which fills them with zeros again: up to 1.7 times the step. Our processes let glibc keep them, from the start.

oneDNN, with which PyTorch multiplies in bf16 on a CPU, compiles a kernel for every shape and keeps 1,024 of them, and
PyTorch's layer above it keeps as many again. Packed batches hardly ever have the same shape twice, so these grow to
half a gigabyte of no use: our processes keep only the kernels of the last few batches.

Python's garbage collector scans all objects now and then, and PyTorch and transformers make so many that this takes a
fifth of a second. Commands that make many objects of their own exclude those of the libraries.

Importing genomask changes none of this.
"""

import ctypes
import gc
import logging
import os
import resource
import sys
from pathlib import Path

log = logging.getLogger(__name__)

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Numbers of the options in glibc's malloc.h."""

KERNELS = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "64", "LRU_CACHE_CAPACITY": "64"}
"""How many oneDNN and PyTorch keep, as environment variables that they read at their first product. A microbatch of
an encoder, however deep, needs about 40."""

CONTAINER = Path("/sys/fs/cgroup/memory.max")
"""Where Linux states the memory limit of a container: bytes, or "max"."""

state = {"kept": False}
"""What was done for this process."""


def usable_cores() -> int:
    """The number of cores that this process may use, at least 1."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def built_in_memory() -> int:
    """Bytes of the machine's main memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def usable_memory(container: Path = CONTAINER) -> int:
    """Bytes of main memory: what is built in, or less if the process or its container has a limit."""
    of_container = container.read_text().strip() if container.exists() else "max"
    of_process, _ = resource.getrlimit(resource.RLIMIT_AS)
    limits = [int(of_container)] if of_container != "max" else []
    limits += [of_process] if of_process != resource.RLIM_INFINITY else []
    return min([built_in_memory(), *limits])


def peak_memory() -> int:
    """The most bytes of main memory that this process has held at once."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def keep_freed_memory() -> bool:
    """Let glibc keep freed memory for reuse; False, and nothing done, with any other C library."""
    if not is_glibc():
        return False
    libc = ctypes.CDLL(None)
    state["kept"] = bool(libc.mallopt(M_TRIM_THRESHOLD, -1) and libc.mallopt(M_MMAP_MAX, 0))
    log.debug("mallopt(M_TRIM_THRESHOLD, -1), mallopt(M_MMAP_MAX, 0): %s", "done" if state["kept"] else "refused")
    return state["kept"]


def collect_only_new_garbage() -> None:
    """Exclude what exists by now, imports and models, from the garbage collector's scans."""
    gc.freeze()


def keep_few_kernels() -> None:
    """Bound the kernels that are kept, here and in processes started from here, unless the environment does."""
    for name, count in KERNELS.items():
        os.environ.setdefault(name, count)


def allocator_name() -> str:
    """How this process allocates memory, for messages and for a run's environment.json."""
    return "glibc, keeping freed memory" if state["kept"] else "as the system has it"


def is_glibc() -> bool:
    """Is the C library of this process glibc?"""
    name = "CS_GNU_LIBC_VERSION"
    return name in getattr(os, "confstr_names", {}) and (os.confstr(name) or "").startswith("glibc")
