"""The schedule: a pure function from the step to one factor, which multiplies every parameter group's own rate.

Groups keep their peak under `initial_lr`, as with torch's schedulers, so that they may differ in rate and optimizer.
"""

import torch

from genomask.training.optimizer import OptimizerSettings


def rate_factor(step: int, steps: int, settings: OptimizerSettings) -> float:
    """Factor of step number `step` (from 0) of `steps`: linear warm-up to 1, then linear decay to min_lr_ratio."""
    warmup = min(settings.warmup_steps, steps)
    if step < warmup:
        return (step + 1) / warmup
    left = (steps - step) / max(1, steps - warmup)
    return settings.min_lr_ratio + (1 - settings.min_lr_ratio) * left


def scale_rates(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Set every group's rate to its own peak times `factor`."""
    for group in optimizer.param_groups:
        group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor
