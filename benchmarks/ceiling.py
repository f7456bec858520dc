"""How fast this machine multiplies matrices: device and precision in, the best FLOP/s of square products out."""

import torch

from genomask.machine.matmul import measured_rate
from genomask.machine.processor import multiplies_in_bf16
from genomask.training.device import computed_in


def matmul_ceiling(device: torch.device, precision: str) -> float:
    """FLOP/s measured here, one second per size; where bf16 is only emulated, the better of bf16 and fp32."""
    emulated = precision == "bf16" and device.type == "cpu" and not multiplies_in_bf16()
    return max(measured_rate(device, computed_in(name)) for name in ((precision, "fp32") if emulated else (precision,)))
