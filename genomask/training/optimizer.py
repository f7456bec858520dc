"""Optimizers by name: settings and a model in, one optimizer over all of its parameters out.

To add one, write a function and a row of OPTIMIZERS. It may return several of torch's optimizers, each with its own
parameters and peak rates; the schedule (schedule.py) multiplies the rate of every group.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import nn

from genomask.settings.ranges import LARGE, MANY
from genomask.settings.table import Bounds, Fraction, OneOf, Table
from genomask.training.muon import Muon


def parameter_groups(model: nn.Module, weight_decay: float, apart: Iterable[nn.Parameter] = ()) -> list[dict[str, Any]]:
    """AdamW's groups for weight decay on matrices only, not on biases and norms; `apart` are left out."""
    elsewhere = set(apart)
    parameters = [p for p in model.parameters() if p.requires_grad and p not in elsewhere]
    return [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]


def adamw(
    model: nn.Module, settings: "OptimizerSettings", apart: Iterable[nn.Parameter] = ()
) -> list[torch.optim.Optimizer]:
    """Fused AdamW for all parameters except those in `apart`; biases and norms do not decay."""
    groups = parameter_groups(model, settings.weight_decay, apart)
    betas = (settings.beta_1, settings.beta_2)
    return [torch.optim.AdamW(groups, lr=settings.learning_rate, betas=betas, eps=settings.eps, fused=True)]


def muon(model: nn.Module, settings: "OptimizerSettings") -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the layers, with q, k and v apart; AdamW for embeddings, biases, norms and the head."""
    of_layers = {
        name: p for name, p in model.named_parameters() if p.requires_grad and p.ndim == 2 and ".layer." in name
    }
    fused = [p for name, p in of_layers.items() if name.endswith(".Wqkv.weight")]
    single = [p for name, p in of_layers.items() if not name.endswith(".Wqkv.weight")]
    groups: list[dict[str, Any]] = [{"params": fused, "stacked": 3}, {"params": single}]
    rate, decay = settings.muon_learning_rate, settings.weight_decay
    matrices = Muon(groups, lr=rate, momentum=settings.muon_momentum, weight_decay=decay)
    return [matrices, *adamw(model, settings, apart=of_layers.values())]


OPTIMIZERS: dict[str, Callable[[nn.Module, "OptimizerSettings"], list[torch.optim.Optimizer]]] = {
    "adamw": adamw,
    "muon": muon,
}
"""Name in a recipe -> the function that builds its optimizers, whose parameters are disjoint."""


@dataclass(frozen=True, kw_only=True)
class OptimizerSettings(Table, name="optimizer"):
    """The optimizer and its schedule: linear warm-up, then linear decay."""

    name: Annotated[str, OneOf(OPTIMIZERS)] = "adamw"
    """One of OPTIMIZERS."""
    learning_rate: Annotated[float, Bounds(above=0, most=LARGE)] = 4e-4
    """Peak learning rate; under muon, of all but the layers' matrices."""
    warmup_steps: Annotated[int, Bounds(least=0, most=MANY)] = 500
    """Steps from 0 to the peak; in a run of no more steps the rate never falls."""
    min_lr_ratio: Fraction = 0.0
    """Fraction of the peak towards which the rate falls; the last step is one step above it."""
    beta_1: Annotated[float, Bounds(least=0, below=1)] = 0.9
    """Decay of the mean gradient from step to step."""
    beta_2: Annotated[float, Bounds(least=0, below=1)] = 0.98
    """Decay of the mean squared gradient from step to step."""
    eps: Annotated[float, Bounds(above=0, most=1)] = 1e-6
    """Added to the root of the mean squared gradient."""
    weight_decay: Annotated[float, Bounds(least=0, most=LARGE)] = 0.01
    """As torch's AdamW takes it; a decoupled decay d at peak rate lr is d / lr here. Not on biases and norms."""
    clip_norm: Annotated[float, Bounds(least=0, most=LARGE)] = 1.0
    """Largest norm of the gradient; larger ones are scaled down. 0 clips nothing."""
    muon_learning_rate: Annotated[float, Bounds(above=0, most=LARGE)] = 0.01
    """Under muon: peak learning rate of the layers' matrices."""
    muon_momentum: Annotated[float, Bounds(least=0, below=1)] = 0.95
    """Under muon: decay of those matrices' mean gradient from step to step."""


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
