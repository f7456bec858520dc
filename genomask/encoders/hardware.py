"""What this processor can do."""

import functools

import torch


@functools.cache
def multiplies_in_bf16() -> bool:
    """Does the CPU have units for products in bf16? Without them such products are emulated, slower than in float32."""
    return torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
