"""The peak rate of a device's matrix products, with which a run's speed is compared (its MFU)."""

from functools import partial

import torch

from genomask.machine import processor
from genomask.machine.matmul import known_rate, measured_rate
from genomask.training.device import computed_in
from genomask.training.measured import measured_once

SECONDS_EACH = 0.1
"""For which each size of product is tried."""


def matmul_peak(device: torch.device, precision: str) -> float | None:
    """FLOP/s of one device in the type that its products are computed in; None for a GPU that no table lists.

    A CPU's is measured, for a second the first time; a GPU's is its maker's figure.
    """
    dtype = computed_in(precision)
    if device.type == "cuda":
        return known_rate(torch.cuda.get_device_name(device), dtype)
    if dtype is torch.bfloat16 and not processor.multiplies_in_bf16():
        dtype = torch.float32  # linear.py does so instead of emulating bf16
    return measured_once(partial(measured_rate, device, dtype, SECONDS_EACH), "products", str(dtype))
