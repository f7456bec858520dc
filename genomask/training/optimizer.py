"""AdamW and its learning rate, a pure function of the step."""

from typing import Any

import torch
from torch import nn

from genomask.training.settings import OptimizerSettings


def learning_rate(step: int, steps: int, settings: OptimizerSettings) -> float:
    """Rate of step number `step` (from 0) of `steps`: linear warm-up to the peak, then linear decay to min_lr_ratio."""
    warmup = min(settings.warmup_steps, steps)
    if step < warmup:
        return settings.learning_rate * (step + 1) / warmup
    left = (steps - step) / max(1, steps - warmup)
    return settings.learning_rate * (settings.min_lr_ratio + (1 - settings.min_lr_ratio) * left)


def build_optimizer(model: nn.Module, settings: OptimizerSettings) -> torch.optim.AdamW:
    """Fused AdamW; biases and norms do not decay."""
    groups = parameter_groups(model, settings.weight_decay)
    betas = (settings.beta_1, settings.beta_2)
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=betas, eps=settings.eps, fused=True)


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """What AdamW takes for weight decay on matrices only, not on biases and norms."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
