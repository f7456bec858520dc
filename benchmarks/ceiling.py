"""How fast this machine multiplies matrices: device and precision in, the best FLOP/s of square products out."""

import time

import torch

from genomask.machine.processor import multiplies_in_bf16

SIZES = {"cpu": (1024, 2048, 4096), "cuda": (4096, 8192, 16384)}
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def matmul_ceiling(device: torch.device, precision: str, seconds_each: float = 1.0) -> float:
    """FLOP/s of the best repeat of the best size, where bf16 is only emulated also in fp32, in which it can be had."""
    emulated = precision == "bf16" and device.type == "cpu" and not multiplies_in_bf16()
    dtypes = [DTYPES[name] for name in ((precision, "fp32") if emulated else (precision,))]
    return max(_best(n, device, dtype, seconds_each) for n in SIZES[device.type] for dtype in dtypes)


def _best(n: int, device: torch.device, dtype: torch.dtype, seconds: float) -> float:
    a, b = torch.randn(2, n, n, device=device).to(dtype)
    out = a @ b
    best, until = 0.0, time.perf_counter() + seconds
    while True:
        torch.cuda.synchronize() if device.type == "cuda" else None
        began = time.perf_counter()
        torch.mm(a, b, out=out)
        torch.cuda.synchronize() if device.type == "cuda" else None
        ended = time.perf_counter()
        best = max(best, 2 * n**3 / (ended - began))
        if ended > until:
            return best
