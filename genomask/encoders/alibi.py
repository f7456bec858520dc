"""ALiBi: how much each head's scores fall with distance. Heads in, slopes (N,) and biases (N, S, S) out.

Letters: N heads, S tokens of the longest sequence. Source: Press et al., "Train Short, Test Long" (2022), made
symmetric for encoders as in MosaicBERT.
"""

import torch
from torch import Tensor


def alibi_slopes(n_heads: int, device: torch.device | str = "cpu") -> Tensor:
    """(N,) float32 slope of each head: 2^(-8h/n), h = 1..n, for n a power of two.

    For other n: the slopes of the next lower power of two, then every other slope of twice that power, in this order
    (never sorted: published weights were trained with it). Computed in Python, since not every device has float64, and
    written one by one on the device: a copy would make the host wait for it.
    """
    power = 1 << (n_heads.bit_length() - 1)
    of_power = [8 * h / power for h in range(1, power + 1)]
    exponents = of_power + [4 * h / power for h in range(1, 2 * (n_heads - power), 2)]
    return torch.stack([torch.full((), 2.0**-x, dtype=torch.float32, device=device) for x in exponents])


def alibi_line(slopes: Tensor, size: int, directed: bool) -> Tensor:
    """(N, 2S - 1) float32 bias by distance: -slope |j - i| for query i and key j, with j - i from 1 - S to S - 1.

    directed: -inf where the head does not look, as in `alibi_bias`.
    """
    distance = torch.arange(1 - size, size, device=slopes.device)  # integers: bf16 would err by 2 at 512
    line = -slopes.float()[:, None] * distance.abs()
    if directed:
        line[0::2, size:] = -torch.inf
        line[1::2, : size - 1] = -torch.inf
    return line


def alibi_bias(slopes: Tensor, size: int, directed: bool) -> Tensor:
    """(N, S, S) float32 to add to the scaled scores: -slope |i - j| for query i and key j.

    directed: heads 0, 2 ... see only j <= i, heads 1, 3 ... only j >= i. Every row is the one
    above it shifted by one, so the table is a set of windows on one line.
    """
    return alibi_line(slopes, size, directed).unfold(1, size, 1).flip(1)
