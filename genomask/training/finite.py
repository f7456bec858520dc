"""Numbers that are not finite stop a run before they are believed: never a model, never a good checkpoint."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from genomask.errors import TrainingError

ADVICE = (
    "start again with another --out and a lower --set optimizer.learning_rate=RATE, or with --set "
    "training.precision=fp32; what was saved before that step stays as it is"
)
"""A run goes on with its own settings alone, so --resume would only meet the same step again."""


def first_not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """The name of the first tensor that holds nan or an infinity."""
    return next((name for name, x in tensors.items() if x.is_floating_point() and not torch.isfinite(x).all()), None)


def require_finite(tensors: Mapping[str, Tensor], step: int) -> None:
    """Raises TrainingError where the weights or moments after `step` steps are not finite."""
    if name := first_not_finite(tensors):
        raise TrainingError(f"{name} is not finite after step {step}, so it was not saved; {ADVICE}")


def require_finite_scores(scores: Mapping[str, float], step: int) -> Mapping[str, float]:
    """The evaluation's scores. Raises TrainingError where one of them is not finite."""
    for name, score in scores.items():
        if not math.isfinite(score):
            raise TrainingError(f"the evaluation after step {step} is not finite ({name} is {score}); {ADVICE}")
    return scores
