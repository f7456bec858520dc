"""How fast a device multiplies matrices, in FLOP/s: for known GPUs by their data sheets, for others measured."""

import re
import time

import torch

SIZES = {"cpu": (1024, 2048), "cuda": (4096, 8192, 16384)}
"""Sides of the square matrices that are tried."""

GPUS: dict[str, tuple[float, float]] = {
    r"NVIDIA H100 80GB HBM3": (989.4, 66.9),  # NVIDIA H100 architecture paper (2023), table of the SXM5 and PCIe boards
    r"NVIDIA H100 PCIe": (756.4, 51.2),  # the same
    r"NVIDIA H200": (989.4, 66.9),  # H200 data sheet (2024): the sparse rate halved; the same chip
    r"NVIDIA A100-(SXM4|PCIE)-(40|80)GB|NVIDIA A100 80GB PCIe": (312.0, 19.5),  # A100 data sheet (2021)
    r"NVIDIA L40S": (362.1, 91.6),  # L40S data sheet (2023)
    r"NVIDIA L4": (121.0, 30.3),  # L4 data sheet (2023): the sparse rate halved
    r"NVIDIA GeForce RTX 4090": (165.2, 82.6),  # Ada architecture paper (2022): bf16 summed in float32
}
"""Name, as the driver gives it -> dense TFLOP/s in bf16, and in float32 without TF32. A slice of one has another."""


def known_rate(name: str, dtype: torch.dtype) -> float | None:
    """FLOP/s that the maker of the GPU `name` states for products of this type; None for one not listed."""
    for pattern, (bf16, fp32) in GPUS.items():
        if re.fullmatch(pattern, name):
            return 1e12 * {torch.bfloat16: bf16, torch.float32: fp32}[dtype]
    return None


def measured_rate(device: torch.device, dtype: torch.dtype, seconds_each: float = 1.0) -> float:
    """FLOP/s of the best repeat of the best size; `seconds_each`: how long a size is tried."""
    return max(rate_at(n, device, dtype, seconds_each) for n in SIZES[device.type])


def rate_at(n: int, device: torch.device, dtype: torch.dtype, seconds: float) -> float:
    """FLOP/s of the best repeat of one product of n by n matrices, tried for `seconds` and at least twice."""
    a, b = torch.arange(2 * n * n, device=device).view(2, n, n).sin().to(dtype)  # no zeros, and no random numbers
    out = torch.empty_like(a)
    best, until, repeats = 0.0, time.perf_counter() + seconds, 0
    while True:
        torch.cuda.synchronize() if device.type == "cuda" else None
        began, worked = time.perf_counter(), time.process_time()
        torch.mm(a, b, out=out)
        torch.cuda.synchronize() if device.type == "cuda" else None
        ended, seconds_worked = time.perf_counter(), (time.process_time() - worked) / torch.get_num_threads()
        # on a shared processor we got less CPU time than elapsed; alone we would have had all of it
        taken = min(ended - began, seconds_worked) if device.type == "cpu" and seconds_worked else ended - began
        best, repeats = max(best, 2 * n**3 / taken), repeats + 1
        if repeats > 1 and ended > until:  # the first takes longer
            return best
