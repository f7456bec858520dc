"""How fast this machine multiplies matrices: device and precision in, the best FLOP/s of square products out."""

import torch

from genomask.machine.matmul import measured_rate
from genomask.machine.processor import multiplies_in_bf16
from genomask.training.device import computed_in


def matmul_ceiling(device: torch.device, precision: str) -> float:
    """FLOP/s measured here, a second a size; where bf16 is only emulated also in fp32, in which it can be had."""
    emulated = precision == "bf16" and device.type == "cpu" and not multiplies_in_bf16()
    return max(measured_rate(device, computed_in(name)) for name in ((precision, "fp32") if emulated else (precision,)))
