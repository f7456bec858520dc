"""How fast this machine is at something: measured once, and kept in the cache."""

from collections.abc import Callable
from contextlib import ExitStack, suppress

import torch

from genomask.errors import SettingsError
from genomask.files.cache import default_cache, key_of, recall, remember
from genomask.files.locking import locked
from genomask.machine import processor

ROOM = "speeds"
"""Of the cache."""
WAIT_SECONDS = 600.0
"""For another process that measures: processes side by side get one answer, measured undisturbed."""


def measured_once(measure: Callable[[], float], *facts: object) -> float:
    """What `measure` found for these facts, this processor, torch and number of threads, now or before.

    Measured each time if the cache cannot be written; only rooms whose results cost more report that.
    """
    room = default_cache() / ROOM
    kept = room / f"{key_of(*facts, processor.name(), torch.__version__, torch.get_num_threads())}.json"
    if isinstance(known := recall(kept), float):
        return known
    with ExitStack() as stack:
        # a cache that others own, a full disk, a process that never ends: measuring again is no reason to end a run
        with suppress(OSError, SettingsError):
            stack.enter_context(locked(room, WAIT_SECONDS))
        if isinstance(known := recall(kept), float):
            return known
        found = measure()
        with suppress(OSError):
            remember(kept, found)
    return found
