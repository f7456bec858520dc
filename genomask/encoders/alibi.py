"""ALiBi: how much each head's scores fall with distance. Heads in, slopes (N,) and biases (N, S, S) out.

Letters: N heads, S tokens of the longest sequence. Source: Press et al., "Train Short, Test Long" (2022), made
symmetric for encoders as in MosaicBERT.
"""

import torch
from torch import Tensor


def alibi_slopes(n_heads: int) -> list[float]:
    """Slope of each head: 2^(-8h/n), h = 1..n, for n a power of two.

    For other n: the slopes of the next lower power of two, then every other slope of twice that power, in this order
    (never sorted: published weights were trained so).
    """
    power = 1 << (n_heads.bit_length() - 1)
    slopes = _geometric(power)
    return slopes + _geometric(2 * power)[0::2][: n_heads - power]


def _geometric(n: int) -> list[float]:
    """2^(-8h/n), h = 1..n."""
    return [2.0 ** (-8 * h / n) for h in range(1, n + 1)]


def alibi_bias(slopes: Tensor, size: int, directed: bool) -> Tensor:
    """(N, S, S) float32 to add to the scaled scores: -slope |i - j| for query i and key j.

    directed: the first, third ... head sees only j <= i, the second, fourth ... only j >= i. Every row is the one
    above it moved by one, so the table is made of windows of one line over the distances -S+1 .. S-1.
    """
    distance = torch.arange(1 - size, size, device=slopes.device)  # j - i; integers: bf16 would err by 2 at 512
    line = -slopes.float()[:, None] * distance.abs()
    if directed:
        line[0::2, size:] = -torch.inf
        line[1::2, : size - 1] = -torch.inf
    return line.unfold(1, size, 1).flip(1)
