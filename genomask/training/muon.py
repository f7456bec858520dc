"""Muon: a matrix moves by its momentum with all singular values brought near 1 (Jordan et al., 2024).

The rule, the coefficients and the scale of the update are those of torch's own Muon; two things differ. Matrices that
share one parameter, as queries, keys and values do, are each brought to 1 separately. And it computes in float32, where
torch rounds to bf16: up to twice the time on a processor with units for bf16, half of it where bf16 is emulated, and
1e-6 instead of 1e-2 from the polynomial's exact value (docs/speedrun.md).
"""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the polynomial a x + b x^3 + c x^5, steep at 0, which takes singular values to between 0.7 and 1.2 in STEPS."""
STEPS = 5
TINY = 1e-7
"""Least norm that a matrix is divided by."""


def orthogonalised(matrices: Tensor) -> Tensor:
    """(n, R, C) -> the same with singular values near 1, by Newton-Schulz iterations; zeros stay zeros."""
    wide = matrices.mT if matrices.shape[-2] > matrices.shape[-1] else matrices
    x: Tensor = wide / wide.norm(dim=(-2, -1), keepdim=True).clamp_min(TINY)
    a, b, c = COEFFICIENTS
    for _ in range(STEPS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if wide is not matrices else x


class Muon(torch.optim.Optimizer):
    """Over matrices (R, C), in groups whose `stacked` is how many of equal size are stacked in each."""

    def __init__(
        self, groups: Iterable[dict[str, Any]], *, lr: float, momentum: float, weight_decay: float = 0.0
    ) -> None:
        super().__init__(groups, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "stacked": 1})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move every matrix that has a gradient; torch's `closure` is not used."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, parameter.grad, group)

    def _move(self, parameter: nn.Parameter, gradient: Tensor, group: dict[str, Any]) -> None:
        state, momentum = self.state[parameter], group["momentum"]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        mean = state["momentum_buffer"].lerp_(gradient, 1 - momentum)
        ahead = gradient.lerp(mean, momentum)  # Nesterov
        update = orthogonalised(ahead.unflatten(0, (group["stacked"], -1)).float())
        rows, columns = update.shape[-2:]
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.add_(update.flatten(0, 1), alpha=-group["lr"] * math.sqrt(max(1.0, rows / columns)))
