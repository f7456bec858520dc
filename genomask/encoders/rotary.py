"""Rotary positions: queries and keys rotated by angles that grow with the place (Su et al., RoFormer, 2021).

The score of a query for a key then depends on how far apart they are, and a head can look at exactly the token
n to the left.
Letters: Q tokens, N heads, H head width, which is even.
"""

import torch
from torch import Tensor

BASE = 10_000.0
"""The slowest plane turns once in about 2 pi times this many tokens, the fastest by 1 radian a token."""


def rotary(x: Tensor, places: Tensor) -> Tensor:
    """x (Q, N, H), places (Q,) -> (Q, N, H); each of H / 2 planes turns at a rate of its own."""
    half = x.shape[-1] // 2
    rate = BASE ** (-torch.arange(half, device=x.device) / half)
    angle = places[:, None, None] * rate  # in float32: bf16 would err at far places
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)
