"""Training a classifier on labelled sequences, step by step, for few-shot draws and `genomask finetune`.

The order of an epoch and the dropout of a step are pure functions of the seed and their number, so that training can
resume from any step and ends with the same weights.

Letters: N examples, B sequences of a batch, C classes.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedModel

from genomask.data.examples import NUMBER, ONE, SEVERAL
from genomask.data.packing import select
from genomask.errors import TrainingError
from genomask.hashing import Purpose, hash64
from genomask.inference.classes import problem
from genomask.inference.forward import forward, logits
from genomask.training.optimizer import OptimizerSettings, build_optimizer
from genomask.training.schedule import rate_factor, scale_rates
from genomask.types import TokenSequences

WARMUP_FRACTION = 0.1

LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    ONE: F.cross_entropy,
    SEVERAL: F.binary_cross_entropy_with_logits,
    NUMBER: F.mse_loss,
}
"""A classifier's problem_type -> its mean loss on logits (B, C) and targets (B,) or (B, C)."""


class Schedule(NamedTuple):
    """How long and how fast a classifier is trained."""

    learning_rate: float
    epochs: int
    batch_size: int
    warmup: float = WARMUP_FRACTION
    """Fraction of all steps over which the rate grows to its peak."""

    def steps_per_epoch(self, examples: int) -> int:
        """Steps in an epoch of that many examples."""
        return math.ceil(examples / self.batch_size)

    def optimizer(self, examples: int) -> OptimizerSettings:
        """The optimizer's settings for that many examples. Raises SettingsError for values out of range."""
        return optimizer_settings(self.learning_rate, self.epochs * self.steps_per_epoch(examples), self.warmup)


def optimizer_settings(rate: float, steps: int, warmup: float) -> OptimizerSettings:
    """As published: AdamW without decay on biases and norms; linear warm-up, then linear to 0."""
    return OptimizerSettings(
        learning_rate=rate,
        warmup_steps=max(1, round(warmup * steps)),
        beta_1=0.9,
        beta_2=0.999,
        eps=1e-8,
        weight_decay=0.01,
        clip_norm=1.0,
    )


def loss_of(model: PreTrainedModel, logits: Tensor, targets: Tensor) -> Tensor:
    """The model's own mean loss on logits (B, C)."""
    return LOSSES[problem(model)](logits, targets.to(logits.dtype) if targets.is_floating_point() else targets)


class Fitting:
    """Trains a classifier in place on N packed sequences; `targets` (N,) int64, or (N, C) floats."""

    def __init__(
        self, model: PreTrainedModel, tokens: TokenSequences, targets: np.ndarray, plan: Schedule, seed: int
    ) -> None:
        self.model, self.plan, self._seed = model, plan, np.array([seed])
        self._tokens, self._targets = tokens, torch.from_numpy(targets)
        self.steps_per_epoch = plan.steps_per_epoch(len(targets))
        self.steps = plan.epochs * self.steps_per_epoch
        self._settings = plan.optimizer(len(targets))
        self.optimizer = build_optimizer(model, self._settings)
        self._order = -1, np.zeros(0, dtype=np.int64)

    def rate(self, number: int) -> float:
        """The learning rate of a step, counted from 0."""
        return self.plan.learning_rate * rate_factor(number, self.steps, self._settings)

    def step(self, number: int) -> float:
        """Train on the batch of a step, counted from 0; return its mean loss. Raises TrainingError if not finite."""
        model, rows = self.model.train(), self._rows(number)
        batch = select(self._tokens, torch.from_numpy(rows))
        scale_rates(self.optimizer, rate_factor(number, self.steps, self._settings))
        with torch.random.fork_rng(devices=[model.device] if model.device.type == "cuda" else []):
            torch.manual_seed(int(hash64(self._seed, Purpose.FINETUNE_DROPOUT, np.array([number]))[0]) & (2**63 - 1))
            loss = loss_of(model, forward(model, batch), self._targets[rows].to(model.device))
            loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), self._settings.clip_norm)
        if not torch.isfinite(norm):
            rate = self.plan.learning_rate
            raise TrainingError(f"fine-tuning at learning_rate {rate} gave a loss that is not finite; lower the rate.")
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return float(loss.detach())

    def _rows(self, number: int) -> np.ndarray:
        """(B,) the examples of a step: each once per epoch, in that epoch's own order."""
        epoch, at = divmod(number, self.steps_per_epoch)
        if self._order[0] != epoch:
            key = hash64(self._seed, Purpose.ORDER, np.array([epoch]))
            drawn = hash64(key, Purpose.ROW, np.arange(len(self._targets)))
            self._order = epoch, np.argsort(drawn, kind="stable")
        return self._order[1][at * self.plan.batch_size : (at + 1) * self.plan.batch_size]


class Validation(NamedTuple):
    """Examples that decide which epoch is kept: the one with the lowest loss on them."""

    tokens: TokenSequences
    targets: np.ndarray

    def loss(self, model: PreTrainedModel) -> float:
        """The model's own mean loss. Raises TrainingError if it is not finite, since no epoch would be the best."""
        found = logits(model, self.tokens)
        loss = float(loss_of(model, found, torch.from_numpy(self.targets)))
        if not math.isfinite(loss):
            raise TrainingError(
                "the loss on the examples that choose the epoch is not finite; lower the learning rate."
            )
        return loss


def fit(
    model: PreTrainedModel,
    tokens: TokenSequences,
    targets: np.ndarray,
    plan: Schedule,
    seed: int,
    valid: Validation | None = None,
) -> None:
    """Train the model in place, from the first step to the last; with `valid` its best epoch is kept."""
    fitting = Fitting(model, tokens, targets, plan, seed)
    lowest, kept = math.inf, None
    for number in range(fitting.steps):
        fitting.step(number)
        if valid and (number + 1) % fitting.steps_per_epoch == 0 and (loss := valid.loss(model)) < lowest:
            lowest, kept = loss, {name: x.clone() for name, x in model.state_dict().items()}
    if kept:
        model.load_state_dict(kept)
