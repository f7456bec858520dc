"""What this processor can do."""

import torch


@torch.compiler.assume_constant_result
def multiplies_in_bf16() -> bool:
    """Does the CPU have units for products in bf16? Without them such products are emulated, slower than in float32."""
    return torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
