"""A model's weights through the slow dense twin: logits, mean loss and gradients, in float64 or a lower type."""

from typing import NamedTuple

import torch
from reference import reference_logits, reference_loss
from torch import Tensor


class Run(NamedTuple):
    logits: Tensor  # (T, V) of all tokens
    loss: Tensor  # () mean over the labels
    gradients: dict[str, Tensor]


def twin_run(model, input_ids, labels, lengths, token_types=None, dtype=torch.float64):
    """What the definitions give for packed sequences of these lengths, every one computed for itself."""
    weights = {name: p.detach().to(dtype).requires_grad_() for name, p in model.named_parameters()}
    types = torch.zeros_like(input_ids) if token_types is None else token_types
    pieces = zip(input_ids.split(lengths), types.split(lengths), strict=True)
    logits = torch.cat([reference_logits(weights, model.config, ids, t) for ids, t in pieces])
    total, count = reference_loss(logits, labels)
    names = list(weights)
    found = torch.autograd.grad(total / count, [weights[name] for name in names])
    return Run(logits.detach(), (total / count).detach(), dict(zip(names, found, strict=True)))


def relative_errors(run, exact):
    """Largest error of the loss and of each gradient, relative to the largest entry of the exact one."""
    errors = {"loss": (run.loss - exact.loss).abs() / exact.loss.abs()}
    for name, x in exact.gradients.items():
        errors[name] = (run.gradients[name] - x).abs().max() / x.abs().max().clamp_min(1e-30)
    return {name: x.item() for name, x in errors.items()}


def assert_at_most_twice_the_plain_error(run, plain, exact):
    """The rule for everything that rounds in another order than the plain formula of the same precision."""
    allowed = relative_errors(plain, exact)
    for name, error in relative_errors(run, exact).items():
        assert error <= 2 * allowed[name] + 1e-6, name
