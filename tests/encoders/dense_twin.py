"""A model's weights through the slow dense twin: logits, mean loss and gradients, in float64."""

from typing import NamedTuple

import torch
from reference import reference_logits, reference_loss
from torch import Tensor


class Run(NamedTuple):
    logits: Tensor  # (T, V) of all tokens
    loss: Tensor  # () mean over the labels
    gradients: dict[str, Tensor]


def twin_run(model, input_ids, labels, lengths, token_types=None):
    """Results of the definitions for packed sequences of these lengths, each computed on its own."""
    weights = {name: p.detach().double().requires_grad_() for name, p in model.named_parameters()}
    types = torch.zeros_like(input_ids) if token_types is None else token_types
    pieces = zip(input_ids.split(lengths), types.split(lengths), strict=True)
    logits = torch.cat([reference_logits(weights, model.config, ids, t) for ids, t in pieces])
    total, count = reference_loss(logits, labels)
    names = list(weights)
    found = torch.autograd.grad(total / count, [weights[name] for name in names])
    return Run(logits.detach(), (total / count).detach(), dict(zip(names, found, strict=True)))


def assert_same_gradients(ours, exact):
    """In fp32, within 2e-5 of each gradient's largest entry: about ten times what rounding does, in any order."""
    assert ours.keys() == exact.keys()
    for name in exact:
        scale = exact[name].abs().max()
        assert (ours[name] - exact[name]).abs().max() <= 2e-5 * scale + 1e-9, name
