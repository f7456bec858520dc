"""One optimiser step: microbatches in, mean loss out. The loss is one sum over one count of masked tokens."""

from collections.abc import Sequence

import torch
from torch import nn

from genomask.training import distributed
from genomask.training.device import autocast
from genomask.training.finite import StepResult
from genomask.types import PackedBatch


def train_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    microbatches: Sequence[PackedBatch],
    *,
    clip_norm: float,
    device: torch.device,
    precision: str,
) -> StepResult:
    """Update the model once; returns the loss in nats per masked token (weighted by the batch) and the gradient norm.

    The loss is the weighted sum of the tokens' losses over the sum of the weights, which is their number if they are 1
    on average. The weights are summed over all microbatches and processes before the first backward, so that a masked
    token counts alike however the step is cut. If the loss or its gradient is not finite, which the result shows, the
    model stays untouched in all processes.
    """
    [total_weight] = distributed.sums([sum(float(batch.loss_weights.sum()) for batch in microbatches)])
    if total_weight == 0:
        return StepResult(0.0, 0.0)
    loss = torch.zeros((), device=device)
    there = [microbatch.to(device) for microbatch in microbatches]  # all first: a copy waits for the GPU
    for number, batch in enumerate(there, start=1):
        with distributed.averaging(model, now=number == len(there)):
            part = loss_sum(model, batch, device, precision) / total_weight
            (distributed.size() * part).backward()  # gradients are averaged over processes; their sum is wanted
        loss += part.detach()
    [loss_of_all] = distributed.sums([float(loss)])
    # without clipping the norm is still needed: it shows whether every gradient is finite
    norm = nn.utils.clip_grad_norm_(model.parameters(), clip_norm or float("inf"))
    result = StepResult(loss_of_all, float(norm))
    if result.is_finite:
        optimizer.step()
    optimizer.zero_grad()
    return result


def loss_sum(model: nn.Module, batch: PackedBatch, device: torch.device, precision: str) -> torch.Tensor:
    """The loss of a microbatch in nats, summed over its masked tokens, weighted as it says."""
    with autocast(device, precision):
        loss: torch.Tensor = model(**batch._asdict(), reduction="sum").loss
    return loss


def settle(model: nn.Module, batch: PackedBatch, device: torch.device, precision: str) -> None:
    """Let several processes average a gradient once, and discard it.

    PyTorch changes the layout of gradients after the first time, and the last bits of a sum over more than two
    processes depend on it: with this, a resumed run adds like one that was not.
    """
    loss_sum(model, batch.to(device), device, precision).backward()
    model.zero_grad()
