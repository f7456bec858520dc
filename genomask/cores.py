"""Cores of the processor that this process may use: fewer than the machine has in many containers and job queues."""

import os


def usable_cores() -> int:
    """How many there are, at least 1."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
