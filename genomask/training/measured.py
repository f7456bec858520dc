"""How fast this machine is at something: measured once, and kept in the cache."""

from collections.abc import Callable

import torch

from genomask.files.cache import default_cache, key_of, recall, remember
from genomask.files.locking import locked
from genomask.machine import processor

ROOM = "speeds"
"""Of the cache."""
WAIT_SECONDS = 600.0
"""For another process that measures: what runs side by side gets one answer, and measures undisturbed."""


def measured_once(measure: Callable[[], float], *facts: object) -> float:
    """What `measure` found for these facts, this processor, torch and number of threads, now or before."""
    room = default_cache() / ROOM
    kept = room / f"{key_of(*facts, processor.name(), torch.__version__, torch.get_num_threads())}.json"
    if isinstance(known := recall(kept), float):
        return known
    with locked(room, WAIT_SECONDS):
        if isinstance(known := recall(kept), float):
            return known
        found = measure()
        remember(kept, found)
    return found
