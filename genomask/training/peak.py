"""What a device's products could come to at most, beside which a run's speed is held (its MFU)."""

import torch

from genomask.files.cache import default_cache, key_of, recall, remember
from genomask.machine import processor
from genomask.machine.matmul import known_rate, measured_rate
from genomask.training.device import computed_in

SECONDS_EACH = 0.1
"""That each size of product is tried."""
ROOM = "speeds"
"""Of the cache; what was measured is kept there for this processor, torch and number of threads."""


def matmul_peak(device: torch.device, precision: str) -> float | None:
    """FLOP/s of one device in the type that its products are computed in; None for a GPU that no table lists.

    A CPU's is measured, a second the first time; a GPU's is its maker's.
    """
    dtype = computed_in(precision)
    if device.type == "cuda":
        return known_rate(torch.cuda.get_device_name(device), dtype)
    if dtype is torch.bfloat16 and not processor.multiplies_in_bf16():
        dtype = torch.float32  # linear.py computes so what would be emulated
    facts = (processor.name(), torch.__version__, torch.get_num_threads(), str(dtype))
    kept = default_cache() / ROOM / f"{key_of('matmul', *facts)}.json"
    if isinstance(known := recall(kept), float):
        return known
    rate = measured_rate(device, dtype, SECONDS_EACH)
    remember(kept, rate)
    return rate
