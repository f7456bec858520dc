"""The epochs of fine-tuning: train, score the validation examples, keep the best epoch, stop when it stays the best.

metrics.jsonl has a row per step, with the loss of its batch, and a row per epoch, with the scores on --valid. These
rows alone show which epoch is best, so a run that was killed finds it again.
"""

import math
from collections import deque
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from genomask.commands.finetune.job import Job, Read, Scale
from genomask.data.examples import NUMBER, ONE, SEVERAL, Examples
from genomask.encoders import MosaicBertConfig, choose_backend
from genomask.errors import DataError, Stopped, TrainingError
from genomask.fewshot.fitting import Fitting, loss_of
from genomask.fewshot.linear_first import start_linear
from genomask.fewshot.metrics import score, score_labels, score_numbers
from genomask.inference.classes import read_out
from genomask.inference.forward import logits
from genomask.terminal.progress import working
from genomask.training.checkpoint import load_weights, restore_checkpoint, save_checkpoint
from genomask.training.checkpoint_state import CheckpointState
from genomask.training.device import computed_in, scoring_precision
from genomask.training.environment import describe_environment, keep_environment
from genomask.training.metrics_log import MetricsLog, read_metrics
from genomask.training.signals import listen_for_stop

LEAST_PATIENCE = 3
"""Training stops after this many epochs without a lower loss on --valid, or half of all if that is more: the loss of a
new head is flat at first, and stopping late costs only time, as the best epoch is kept.
"""
CHECKPOINT_STEPS = 500
"""Steps between checkpoints; each epoch ends with one too."""

LOSS = {ONE: "loss_nats", SEVERAL: "loss_nats_per_label", NUMBER: "loss_fraction_of_variance"}
"""Name of the loss, with its unit, by problem."""
VALID_LOSS = {problem: f"valid_{name}" for problem, name in LOSS.items()}
"""The same on --valid."""

Row = dict[str, Any]


def train(job: Job) -> None:
    """Train from the newest checkpoint, if any, and leave the best epoch's weights in the model.

    Without --valid, they are the last epoch's. Raises Stopped after saving a checkpoint when asked to stop,
    TrainingError if the loss is not finite.
    """
    model, checkpoints = job.loaded.model, job.out / "checkpoints"
    targets = job.scale.down(job.train.examples.targets)
    fitting = Fitting(model, job.train.tokens, targets, job.plan, job.request.seed)
    before = restore_checkpoint(checkpoints, model, fitting.optimizer).steps_done
    epochs = _epochs_until(before, job, fitting.steps_per_epoch)
    if before == 0 and job.request.settings.schedule == "linear-first":
        start_linear(model, job.train.tokens, targets)
    _note_environment(job, before)
    metrics = MetricsLog(job.out / "metrics.jsonl", keep_until=before)
    recent: deque[float] = deque(maxlen=50)
    with listen_for_stop() as stop, working("fine-tuning", fitting.steps, "step") as work:
        for number in range(before, fitting.steps):
            if _is_over(epochs, job.plan.epochs):
                break
            done = number + 1
            recent.append(_one_step(job, fitting, number, metrics))
            if job.valid and done % fitting.steps_per_epoch == 0:
                epochs.append(metrics.write(_scores_after(job, job.valid, done, done // fitting.steps_per_epoch)))
            work.show(done, status=_status(recent, epochs))
            if done % fitting.steps_per_epoch == 0 or done % CHECKPOINT_STEPS == 0 or stop.signal_number:
                metrics.sync()
                spared = [best_epoch(epochs)["step"]] if epochs else []
                save_checkpoint(checkpoints, model, fitting.optimizer, CheckpointState(done), spared)
            if stop.signal_number and done < fitting.steps:
                raise Stopped(stop.signal_number, f"stopped after step {done}; continue with --resume")
    if epochs:
        load_weights(checkpoints, best_epoch(epochs)["step"], model)


def _epochs_until(step: int, job: Job, steps_per_epoch: int) -> list[Row]:
    """The scored epochs up to a checkpoint. Raises DataError if rows are lost: the best epoch is then unknown."""
    path = job.out / "metrics.jsonl"
    rows = [row for row in read_metrics(path) if row["step"] <= step]
    epochs, trained = scored_epochs(rows), [row for row in rows if LOSS[job.problem] in row]
    if len(trained) < step or (job.valid and len(epochs) < step // steps_per_epoch):
        raise DataError(
            f"{path} lacks rows of the {step:,} steps that are done; restore it from a backup, or start again with "
            "another --out."
        )
    return epochs


def _one_step(job: Job, fitting: Fitting, number: int, metrics: MetricsLog) -> float:
    """Train one step and log its loss."""
    loss = fitting.step(number)
    at = {"step": number + 1, "epoch": (number + 1) / fitting.steps_per_epoch}
    metrics.write({**at, LOSS[job.problem]: loss, "learning_rate": fitting.rate(number)})
    return loss


def _scores_after(job: Job, valid: Read, step: int, epoch: int) -> Row:
    """The row of an epoch: the loss on --valid, and whichever scores its examples allow."""
    loss, scores = evaluate(job.loaded.model, valid, job.scale)
    if not math.isfinite(loss):
        raise TrainingError(
            f"the loss on {valid.examples.path} is not finite after step {step}; lower --learning-rate."
        )
    known = {f"valid_{name}": value for name, value in scores.items() if math.isfinite(value)}
    return {"step": step, "epoch": epoch, VALID_LOSS[job.problem]: loss, **known}


def evaluate(model: PreTrainedModel, read: Read, scale: Scale) -> tuple[float, dict[str, float]]:
    """The loss and the problem's scores on examples; `scale` is that of the model's outputs."""
    return _judged(model, read.examples, logits(model, read.tokens), scale)


def constant_guess(job: Job) -> tuple[float, dict[str, float]]:
    """The same for a guess that reads no sequence: always the frequency of each label in --train, or their mean."""
    targets, examples = job.train.examples.targets, job.scored[0].examples
    answer = np.zeros(1)
    if job.problem == ONE:
        often = np.bincount(targets, minlength=len(examples.classes)) / len(targets)
        answer = np.log(np.clip(often, 1e-6, 1))
    elif job.problem == SEVERAL:
        often = np.clip(targets.mean(axis=0), 1e-6, 1 - 1e-6)
        answer = np.log(often / (1 - often))
    always = torch.from_numpy(np.tile(answer.astype(np.float32), (len(examples.sequences), 1)))
    return _judged(job.loaded.model, examples, always, job.scale)


def _judged(model: PreTrainedModel, examples: Examples, found: Tensor, scale: Scale) -> tuple[float, dict[str, float]]:
    """Loss and scores of logits (N, C)."""
    loss = float(loss_of(model, found, torch.from_numpy(scale.down(examples.targets))))
    if examples.problem == NUMBER:
        return loss, score_numbers(examples.targets[:, 0], found[:, 0].numpy() * scale.deviation + scale.mean)
    scored = score if examples.problem == ONE else score_labels
    return loss, scored(examples.targets, read_out(model, [found]).figures)


def scored_epochs(rows: list[Row]) -> list[Row]:
    """The rows with scores on --valid."""
    return [row for row in rows if "epoch" in row and any(key in row for key in VALID_LOSS.values())]


def best_epoch(epochs: list[Row]) -> Row:
    """The first epoch with the lowest loss on --valid."""
    return min(epochs, key=_valid_loss)


def _valid_loss(row: Row) -> float:
    return float(next(row[key] for key in VALID_LOSS.values() if key in row))


def _is_over(epochs: list[Row], most: int) -> bool:
    """Whether the best epoch has stayed the best long enough to stop."""
    return bool(epochs) and epochs[-1]["epoch"] - best_epoch(epochs)["epoch"] >= max(LEAST_PATIENCE, most // 2)


def _status(recent: deque[float], epochs: list[Row]) -> str:
    """As 'loss 0.412, on --valid 0.433'."""
    said = f"loss {np.mean(recent):.3f}"
    return f"{said}, on --valid {_valid_loss(epochs[-1]):.3f}" if epochs else said


def _note_environment(job: Job, steps_done: int) -> None:
    """Write environment.json, or a line of resumed.jsonl."""
    model, precision = job.loaded.model, scoring_precision(job.loaded.model.device)
    config, backend = model.config, "transformers"
    if isinstance(config, MosaicBertConfig):
        backend = choose_backend(config.attention_backend, model.device, computed_in(precision))
    keep_environment(job.out, describe_environment(model.device, precision, backend, compiled=False), steps_done)
