"""Numbers that are not finite stop a run before they reach a model or a good checkpoint."""

import logging
import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from genomask.errors import TrainingError

ADVICE = (
    "start again with another --out and a lower learning rate (--set optimizer.learning_rate=RATE; with finetune: "
    "--learning-rate) or, if this was in bf16, with --set training.precision=fp32; what was saved before that step is "
    "unchanged"
)
"""A run resumes only with its own settings, so --resume would meet the same step again."""


MOST_SKIPPED = 10
"""The run stops after this many steps in a row whose loss or gradient is not finite."""

log = logging.getLogger(__name__)


class StepResult(NamedTuple):
    """The result of one step, over all processes."""

    loss: float  # nats per masked token, weighted as the batch says
    gradient_norm: float  # before clipping

    @property
    def is_finite(self) -> bool:
        """Whether the step was taken; one that is not finite leaves the weights as they were."""
        return math.isfinite(self.loss) and math.isfinite(self.gradient_norm)


def count_skipped(result: StepResult, step: int, before: int) -> int:
    """Steps in a row that were skipped, this one included; `before`: without it.

    Raises TrainingError when they reach MOST_SKIPPED.
    """
    if result.is_finite:
        return 0
    what = f"the loss is not finite at step {step} (loss {result.loss}, gradient norm {result.gradient_norm})"
    if before + 1 >= MOST_SKIPPED:
        raise TrainingError(f"{what}, nor at the {before} steps before it, which were skipped; {ADVICE}")
    log.warning("%s: the step is skipped, the weights stay as they are", what)
    return before + 1


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
