"""Optimizers by name: settings and a model in, one optimizer over all of its parameters out.

A further one is a function and a row of OPTIMIZERS. It may give several of torch's optimizers, each with parameters
and peak rates of its own; the schedule (schedule.py) multiplies the rate of every group.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from genomask.settings.ranges import LARGE, MANY, require, require_one_of


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """What AdamW takes for weight decay on matrices only, not on biases and norms."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]


def adamw(model: nn.Module, settings: "OptimizerSettings") -> list[torch.optim.Optimizer]:
    """Fused AdamW; biases and norms do not decay."""
    groups = parameter_groups(model, settings.weight_decay)
    betas = (settings.beta_1, settings.beta_2)
    return [torch.optim.AdamW(groups, lr=settings.learning_rate, betas=betas, eps=settings.eps, fused=True)]


OPTIMIZERS: dict[str, Callable[[nn.Module, "OptimizerSettings"], list[torch.optim.Optimizer]]] = {"adamw": adamw}
"""Name in a recipe -> what builds its optimizers, whose parameters are disjoint."""


@dataclass(frozen=True, kw_only=True)
class OptimizerSettings:
    """The optimizer and its schedule: linear warm-up, then linear decay."""

    name: str = "adamw"
    """One of OPTIMIZERS."""
    learning_rate: float = 4e-4
    """Peak learning rate."""
    warmup_steps: int = 500
    """Steps from 0 to the peak."""
    min_lr_ratio: float = 0.0
    """Fraction of the peak that is left at the last step."""
    beta_1: float = 0.9
    """Decay of the mean gradient from step to step."""
    beta_2: float = 0.98
    """Decay of the mean squared gradient from step to step."""
    eps: float = 1e-6
    """Added to the root of the mean squared gradient."""
    weight_decay: float = 0.01
    """As torch's AdamW takes it; a decoupled decay d at peak rate lr is d / lr here. Not on biases and norms."""
    clip_norm: float = 1.0
    """Largest norm of the gradient; longer ones are scaled down. 0 clips nothing."""

    def __post_init__(self) -> None:
        require_one_of("optimizer.name", self.name, OPTIMIZERS)
        rate, decay, norm = self.learning_rate, self.weight_decay, self.clip_norm
        require(0 < rate <= LARGE, "optimizer.learning_rate", f"above 0 and at most {LARGE:g}", rate)
        require(0 <= self.warmup_steps <= MANY, "optimizer.warmup_steps", f"from 0 to {MANY:,}", self.warmup_steps)
        require(0 <= self.min_lr_ratio <= 1, "optimizer.min_lr_ratio", "between 0 and 1", self.min_lr_ratio)
        for name in ("beta_1", "beta_2"):
            require(0 <= getattr(self, name) < 1, f"optimizer.{name}", "0 or more and below 1", getattr(self, name))
        require(0 < self.eps <= 1, "optimizer.eps", "above 0 and at most 1", self.eps)
        require(0 <= decay <= LARGE, "optimizer.weight_decay", f"from 0 to {LARGE:g}", decay)
        require(0 <= norm <= LARGE, "optimizer.clip_norm", f"from 0 to {LARGE:g}", norm)


def build_optimizer(model: nn.Module, settings: OptimizerSettings) -> torch.optim.Optimizer:
    """The optimizer that the settings name, over the parameters of `model` that are trained."""
    return Together(OPTIMIZERS[settings.name](model, settings))


class Together(torch.optim.Optimizer):
    """Optimizers of disjoint parameters as one: their groups in order, and one state."""

    def __init__(self, parts: list[torch.optim.Optimizer]) -> None:
        super().__init__([group for part in parts for group in part.param_groups], {})
        self.parts = parts
        for part in parts:
            part.state = self.state

    def step(self, closure: Any = None) -> Any:
        """Each takes its own step; torch's `closure` is not used."""
        for part in self.parts:
            part.step()
