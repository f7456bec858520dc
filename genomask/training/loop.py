"""The training loop: next batch, loss, step, log, evaluate, checkpoint; and `model/` at the end."""

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from genomask.encoders.backends import choose_backend
from genomask.errors import Stopped, TrainingError
from genomask.files.atomic import atomic_folder
from genomask.files.digests import write_weights_digest
from genomask.hashing import hash64
from genomask.training.batches import AHEAD, Batches, StepBatches
from genomask.training.checkpoint import restore_checkpoint, save_checkpoint
from genomask.training.checkpoint_state import Progress
from genomask.training.device import choose_device, choose_precision, computed_in
from genomask.training.environment import describe_environment, keep_environment
from genomask.training.evaluation import Evaluation, evaluate
from genomask.training.finite import require_finite, require_finite_scores
from genomask.training.log_window import LogWindow
from genomask.training.metrics_log import MetricsLog
from genomask.training.optimizer import OptimizerSettings, build_optimizer
from genomask.training.progress import TrainingBar
from genomask.training.records import write_record
from genomask.training.schedule import rate_factor, scale_rates
from genomask.training.settings import EvaluationSettings, TrainingSettings
from genomask.training.signals import listen_for_stop
from genomask.training.step import train_step

_DROPOUT_STREAM = 201

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Run:
    """All that a run needs; `out` is its folder."""

    model: PreTrainedModel
    network: nn.Module
    """The model, or its compiled form."""
    tokenizer: PreTrainedTokenizerBase
    batches: Batches
    evaluation: Evaluation
    optimizer: OptimizerSettings
    training: TrainingSettings
    scoring: EvaluationSettings
    out: Path
    card: Callable[[], str]
    """Makes the README of the trained model."""


def train(run: Run) -> None:
    """Train to the last step, from the newest checkpoint in `run.out` if there is one, and write `run.out/model`.

    Raises Stopped after saving a checkpoint when asked to stop, TrainingError where a loss, score or weight is not
    finite or a checkpoint cannot be written; checkpoints already on disk stay whole.
    """
    steps = run.training.steps
    state = start(run)
    with listen_for_stop() as stop, TrainingBar(steps, state.done) as bar:
        for batch in run.batches.stream(state.done, steps, lambda: state.switched_at):
            one_step(run, state, batch)
            bar.step(state.done)
            last = state.done == steps
            if last or state.done % run.training.log_every == 0:
                bar.show_metrics(state.metrics.write(state.window.close(state.done, state.rate)))
            if last or state.done % run.scoring.every == 0:
                scores = evaluate(run.model, run.evaluation, state.device, state.precision)
                require_finite_scores(scores, state.done)
                bar.show_evaluation(state.metrics.write({"step": state.done, "tokens": state.window.tokens, **scores}))
                consider_switch(run, state, scores)
            if last or state.done % run.training.checkpoint_every == 0 or stop.signal_number:
                state.metrics.sync()
                save_checkpoint(run.out / "checkpoints", run.model, state.optimizer, state.progress)
            if stop.signal_number and not last:
                raise Stopped(stop.signal_number, f"stopped after step {state.done}; go on with --resume")
            state.window.restart_clock()
    save_model(run)


@dataclass
class State:
    """What changes while a run goes on."""

    done: int
    rate: float
    device: torch.device
    precision: str
    optimizer: torch.optim.Optimizer
    metrics: MetricsLog
    window: LogWindow
    fixed_mask_scores: tuple[float, ...]
    switched_at: int | None

    @property
    def progress(self) -> Progress:
        """What a checkpoint keeps."""
        return Progress(self.done, self.window.tokens, self.fixed_mask_scores, self.switched_at, self.window.sums)


def start(run: Run) -> State:
    """Choose device and precision, load the newest checkpoint, write what describes the run."""
    device = choose_device(run.training.device)
    precision = choose_precision(run.training.precision, device)
    model = run.model.train()
    model.to(device)
    optimizer = build_optimizer(model, run.optimizer)
    before = restore_checkpoint(run.out / "checkpoints", model, optimizer)
    if before.steps_done > run.training.steps:
        raise TrainingError(
            f"{run.out} holds a checkpoint of step {before.steps_done}, but the run has {run.training.steps} steps: it "
            "belongs to another run; move it away"
        )
    backend = choose_backend(model.config.attention_backend, device, computed_in(precision))
    environment = describe_environment(device, precision, backend, compiled=run.network is not model)
    log.info(
        "training on %s in %s; attention by %s%s; memory: %s",
        environment["device"], precision, backend, ", compiled" if environment["compiled"] else "",
        environment["allocator"],
    )  # fmt: skip
    keep_environment(run.out, environment, before.steps_done)
    write_record(run.out / "baselines.json", asdict(run.evaluation.baselines))
    metrics = MetricsLog(run.out / "metrics.jsonl", keep_until=before.steps_done)
    window = LogWindow(before.tokens, shows_phase=run.batches.plan.changes, sums=before.window)
    switch = before.fixed_mask_scores, before.switched_at
    return State(before.steps_done, 0.0, device, precision, optimizer, metrics, window, *switch)


def one_step(run: Run, state: State, batch: StepBatches) -> None:
    """Dropout, rate and update of one step."""
    torch.manual_seed(_dropout_seed(run.training.seed, batch.step))
    factor = rate_factor(batch.step, run.training.steps, run.optimizer)
    scale_rates(state.optimizer, factor)
    state.rate = run.optimizer.learning_rate * factor
    loss = train_step(
        run.network,
        state.optimizer,
        batch.microbatches,
        step=batch.step + 1,
        clip_norm=run.optimizer.clip_norm,
        device=state.device,
        precision=state.precision,
    )
    state.done = batch.step + 1
    state.window.add(batch, loss)


def consider_switch(run: Run, state: State, scores: dict[str, float]) -> None:
    """Let a curriculum that waits see the score under the fixed masks, and note the step at which it switches."""
    plan = run.batches.plan
    if not plan.patience or state.switched_at is not None:
        return
    state.fixed_mask_scores += (scores["eval_bits_per_hidden_base"],)
    if plan.wants_to_switch(state.fixed_mask_scores):
        state.switched_at = state.done + AHEAD
        log.info(
            "after step %d the bits per hidden base have stopped falling (%s): the curriculum switches after step %d",
            state.done, ", ".join(f"{bits:.4f}" for bits in state.fixed_mask_scores[-plan.patience - 1 :]),
            state.switched_at,
        )  # fmt: skip


def save_model(run: Run) -> None:
    """`out/model`: weights, their digest, config, tokenizer and card in Hugging Face layout, whole or not at all."""
    require_finite(run.model.state_dict(), run.training.steps)
    transformers_logging.disable_progress_bar()  # one small file needs none
    with atomic_folder(run.out / "model") as folder:
        run.model.save_pretrained(folder)
        write_weights_digest(folder)
        run.tokenizer.save_pretrained(folder)
        (folder / "README.md").write_text(run.card(), encoding="utf-8")


def _dropout_seed(seed: int, step: int) -> int:
    """Dropout of a step depends on seed and step alone, so that a resumed run repeats it."""
    return int(hash64(np.array([seed]), _DROPOUT_STREAM, np.array([step]))[0]) & (2**63 - 1)
