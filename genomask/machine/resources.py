"""Cores and memory that this process may use: fewer than the machine has in many containers and job queues."""

import os
import resource


def usable_cores() -> int:
    """How many there are, at least 1."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def usable_memory() -> int:
    """Bytes of main memory: what is built into the machine, or less where a limit is set for the process."""
    built_in = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return built_in if limit == resource.RLIM_INFINITY else min(built_in, limit)
