"""Products with weights: PyTorch's, and the same values faster on a processor that can only emulate bf16."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genomask.machine import processor as hardware


class Linear(nn.Linear):
    """`torch.nn.Linear`, computed by `linear`."""

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        return linear(x, self.weight, self.bias)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`torch.nn.functional.linear`.

    If bf16 is asked of a CPU without units for it, the factors are rounded to bf16, multiplied and summed in float32,
    and the sum is rounded to bf16. Such units do the same, and so does emulation, several times slower.
    """
    if x.device.type != "cpu" or type_of_products(x) != torch.bfloat16 or hardware.multiplies_in_bf16():
        return F.linear(x, weight, bias)
    with torch.autocast("cpu", enabled=False):
        rounded_bias = None if bias is None else _rounded(bias)
        return F.linear(_rounded(x), _rounded(weight), rounded_bias).bfloat16()


def is_plain(module: nn.Module, kind: type[nn.Module]) -> bool:
    """Whether a module's weights may be used without its forward: nothing wraps it (LoRA) or hooks in (offloading)."""
    hooks = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks)
    return type(module) is kind and "forward" not in module.__dict__ and not any(hooks)


def type_of_products(x: Tensor) -> torch.dtype:
    """The type in which x is multiplied: autocast's if it is on, else x's own; autocast does not change float64."""
    device = x.device.type
    if x.dtype == torch.float64 or not torch.is_autocast_enabled(device):
        return x.dtype
    return torch.get_autocast_dtype(device)


def _rounded(x: Tensor) -> Tensor:
    return x.bfloat16().float()
