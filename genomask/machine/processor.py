"""What this processor is, and what it can do."""

import platform
from pathlib import Path

import torch


@torch.compiler.assume_constant_result
def multiplies_in_bf16() -> bool:
    """Does the CPU have units for products in bf16? Without them such products are emulated, slower than in float32."""
    return torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()


def name() -> str:
    """Name, family and model; the last two identify a virtual machine's processor better than its name."""
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return platform.processor() or platform.machine()
    fields = dict(line.split(":", 1) for line in path.read_text().split("\n\n")[0].splitlines() if ":" in line)
    found = {name.strip(): value.strip() for name, value in fields.items()}
    return f"{found.get('model name')} (family {found.get('cpu family')}, model {found.get('model')})"
