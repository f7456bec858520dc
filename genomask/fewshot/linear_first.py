"""A new head starts not at random but at the linear solution for its inputs; fine-tuning goes on from there.

Until it has learnt, a random head sends noise through the encoder. A small encoder thereby loses what it knew and stays
behind a linear classifier on frozen vectors (Kumar et al., ICLR 2022: linear probing, then fine-tuning).

In: a classifier with a new head, and examples. Out: its last layer, set to the regression on its standardised inputs.

Letters: N examples, C classes, F features that go into the last layer.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn
from transformers import PreTrainedModel

from genomask.data.examples import NUMBER, ONE, SEVERAL
from genomask.inference.classes import problem
from genomask.inference.forward import batches, forward
from genomask.types import TokenSequences

MAX_ITERATIONS = 1000
MOST_EXAMPLES = 20_000
"""A start needs no more; of more, evenly spaced ones are taken."""

Solution = tuple[np.ndarray, np.ndarray]
"""(C, F) weights and (C,) biases."""


def start_linear(model: PreTrainedModel, tokens: TokenSequences, targets: np.ndarray) -> None:
    """Set the last layer; `targets` (N,) int64, or (N, C) floats, as the model's problem_type takes them."""
    last = last_layer(model)
    inputs = features(model, last, tokens)
    chosen = np.unique(np.linspace(0, len(targets) - 1, min(len(targets), MOST_EXAMPLES)).astype(np.int64))
    scaler = StandardScaler().fit(inputs[chosen])
    weights, biases = SOLUTIONS[problem(model)](scaler.transform(inputs[chosen]), targets[chosen])
    weights = weights / scaler.scale_
    with torch.no_grad():
        last.weight.copy_(torch.from_numpy(weights))
        last.bias.copy_(torch.from_numpy(biases - weights @ scaler.mean_))


def last_layer(model: PreTrainedModel) -> nn.Linear:
    """The layer that gives the logits."""
    outputs = model.config.num_labels
    return [layer for layer in model.modules() if isinstance(layer, nn.Linear) and layer.out_features == outputs][-1]


@torch.inference_mode()
def features(model: PreTrainedModel, layer: nn.Module, tokens: TokenSequences) -> np.ndarray:
    """(N, F) float64: a layer's inputs for each sequence, without dropout."""
    model.eval()
    seen: list[Tensor] = []

    def keep(_: nn.Module, given: tuple[Any, ...]) -> None:
        seen.append(given[0].double().cpu())

    hook = layer.register_forward_pre_hook(keep)
    rows, order = [], []
    try:
        for numbers, part in batches(model, tokens):
            forward(model, part)
            rows.append(_of_sequences(seen.pop(), part.lengths))
            order.append(numbers)
    finally:
        hook.remove()
    found: np.ndarray = torch.cat(rows)[torch.cat(order).argsort()].numpy()
    return found


def _of_sequences(given: Tensor, lengths: Tensor) -> Tensor:
    """(B, F) as it is; (B, S, F) as the mean over tokens, for heads that average logits over tokens (EuroBERT)."""
    if given.dim() == 2:
        return given
    there = torch.arange(given.shape[1]) < lengths[:, None]
    return (given * there[..., None]).sum(1) / lengths[:, None]


def _one(inputs: np.ndarray, targets: np.ndarray) -> Solution:
    """One class per example; each of two classes takes half of the difference."""
    fitted = LogisticRegression(C=1, max_iter=MAX_ITERATIONS).fit(inputs, targets)
    if len(fitted.classes_) > 2:
        return fitted.coef_, fitted.intercept_
    return np.concatenate([-fitted.coef_, fitted.coef_]) / 2, np.concatenate(
        [-fitted.intercept_, fitted.intercept_]
    ) / 2


def _several(inputs: np.ndarray, targets: np.ndarray) -> Solution:
    """Each label by itself; one that all examples have, or none has, gets only a bias."""
    weights, biases = np.zeros((targets.shape[1], inputs.shape[1])), np.zeros(targets.shape[1])
    for at, column in enumerate(targets.T.astype(np.int64)):
        if 0 < column.sum() < len(column):
            fitted = LogisticRegression(C=1, max_iter=MAX_ITERATIONS).fit(inputs, column)
            weights[at], biases[at] = fitted.coef_[0], fitted.intercept_[0]
        else:
            biases[at] = np.log(len(column) + 1) * (1 if column.all() else -1)
    return weights, biases


def _number(inputs: np.ndarray, targets: np.ndarray) -> Solution:
    fitted = Ridge(alpha=1).fit(inputs, targets)
    return np.atleast_2d(fitted.coef_), np.atleast_1d(fitted.intercept_)


SOLUTIONS: dict[str, Callable[[np.ndarray, np.ndarray], Solution]] = {ONE: _one, SEVERAL: _several, NUMBER: _number}
"""By problem_type: standardised inputs (N, F) and targets -> weights and biases of the last layer."""
