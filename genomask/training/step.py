"""One optimiser step: microbatches in, mean loss out. The loss is one sum over one count of masked tokens."""

from collections.abc import Sequence

import torch
from torch import nn

from genomask.errors import TrainingError
from genomask.training.device import autocast
from genomask.training.finite import ADVICE
from genomask.types import PackedBatch


def train_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    microbatches: Sequence[PackedBatch],
    *,
    step: int,
    clip_norm: float,
    device: torch.device,
    precision: str,
) -> float:
    """Update the model once; returns the loss in nats per masked token, weighted as the batch says.

    The weights of masked tokens are summed over all microbatches before the first backward, so that every masked
    token counts alike however the step was cut. Raises TrainingError, with the weights untouched, where the loss or
    its gradient is not finite.
    """
    total_weight = sum(float(batch.loss_weights.sum()) for batch in microbatches)
    if total_weight == 0:
        return 0.0
    loss = torch.zeros((), device=device)
    for batch in [microbatch.to(device) for microbatch in microbatches]:  # all first: a copy waits for the GPU
        with autocast(device, precision):
            part = model(**batch._asdict(), reduction="sum").loss / total_weight
        part.backward()
        loss += part.detach()
    # without clipping the norm is still needed: it tells whether every gradient is finite
    norm = nn.utils.clip_grad_norm_(model.parameters(), clip_norm or float("inf"))
    if not (torch.isfinite(loss) and torch.isfinite(norm)):
        optimizer.zero_grad()
        raise TrainingError(
            f"the loss is not finite at step {step} (loss {float(loss)}, gradient norm {float(norm)}); {ADVICE}"
        )
    optimizer.step()
    optimizer.zero_grad()
    return float(loss)
