"""The training loop: next batch, loss, step, log, evaluate, checkpoint; and `model/` at the end."""

import logging
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from genomask.encoders import MosaicBertForMaskedLM
from genomask.encoders.backends import choose_backend
from genomask.encoders.flops import training_flops
from genomask.errors import Stopped, TrainingError
from genomask.files.atomic import atomic_folder
from genomask.files.digests import write_weights_digest
from genomask.hashing import Purpose, hash64
from genomask.masking import MaskAccount
from genomask.training import distributed
from genomask.training.batches import AHEAD, Batches, StepBatches
from genomask.training.checkpoint import restore_checkpoint
from genomask.training.checkpoint_state import Best, CheckpointState
from genomask.training.device import choose_device, computed_in, peak_bytes
from genomask.training.environment import describe_environment, keep_environment
from genomask.training.evaluation import Evaluation, evaluate
from genomask.training.finite import count_skipped, require_finite, require_finite_scores
from genomask.training.log_window import LogWindow
from genomask.training.metrics_log import MetricsLog
from genomask.training.optimizer import OptimizerSettings, build_optimizer
from genomask.training.peak import matmul_peak
from genomask.training.progress import TrainingBar
from genomask.training.records import write_record
from genomask.training.schedule import rate_factor, scale_rates
from genomask.training.settings import EvaluationSettings, TrainingSettings
from genomask.training.signals import listen_for_stop
from genomask.training.step import settle, train_step
from genomask.training.track import Tracking, tracking
from genomask.training.writer import CheckpointWriter

BITS = "eval_bits_per_hidden_base"

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Run:
    """All that a run needs; `out` is its folder."""

    model: MosaicBertForMaskedLM
    network: nn.Module
    """The model, or its compiled form."""
    tokenizer: PreTrainedTokenizerBase
    batches: Batches
    evaluation: Evaluation
    optimizer: OptimizerSettings
    training: TrainingSettings
    scoring: EvaluationSettings
    precision: str
    """bf16 or fp32."""
    out: Path
    card: Callable[[], str]
    """Makes the README of the trained model."""
    origin: str = ""
    """The model whose weights it began with; "" for random ones."""
    track: str = ""
    """The tracker that also gets each logged row; "" for none."""


def train(run: Run) -> None:
    """Train to the last step, from the newest checkpoint in `run.out` if there is one, and write `run.out/model`.

    Raises Stopped after saving a checkpoint when asked to stop, TrainingError if a score or weight is not finite, if
    the loss repeatedly is not, or if a checkpoint cannot be written; checkpoints already on disk stay whole.
    Several processes train together and stop after the same step, whichever is asked to; only the main one writes.
    """
    with tracking(run.track, run.out) as tracker:
        _train(run, start(run, tracker))
    if distributed.is_main():
        save_model(run)
    distributed.wait_for_all()


@dataclass
class State:
    """What changes while a run goes on."""

    done: int
    rate: float
    device: torch.device
    network: nn.Module
    optimizer: torch.optim.Optimizer
    metrics: MetricsLog
    window: LogWindow
    fixed_mask_scores: tuple[float, ...]
    switched_at: int | None
    best: Best | None
    skipped: int
    """Steps in a row, up to the last, whose loss or gradient was not finite."""
    is_settled: bool = field(default_factory=lambda: distributed.size() == 1)
    """Whether gradients have the memory layout that they will keep."""

    @property
    def progress(self) -> CheckpointState:
        """What a checkpoint keeps."""
        window, scored = self.window, (self.fixed_mask_scores, self.switched_at)
        return CheckpointState(self.done, window.tokens, *scored, window.sums, self.best, self.skipped)


def _train(run: Run, state: State) -> None:
    """Run all steps that are left."""
    steps = run.training.steps
    writer = CheckpointWriter(run.out / "checkpoints", partial(describe_model, run))
    ahead = run.batches.stream(state.done, steps, lambda: state.switched_at)
    with listen_for_stop() as stop, writer, TrainingBar(steps, state.done) as bar, closing(ahead) as batches:
        for batch in batches:
            one_step(run, state, batch)
            writer.check()
            bar.step(state.done)
            last, is_best = state.done == steps, False
            if last or state.done % run.training.log_every == 0:
                peak = distributed.largest(peak_bytes(state.device))
                bar.show_metrics(state.metrics.write(state.window.close(state.done, state.rate, peak)))
            if last or state.done % run.scoring.every == 0:
                scores = evaluate(run.model, run.evaluation, state.device, run.precision)
                require_finite_scores(scores, state.done)
                bar.show_evaluation(state.metrics.write({"step": state.done, "tokens": state.window.tokens, **scores}))
                consider_switch(run, state, scores)
                is_best = consider_best(state, scores)
            asked = distributed.largest(stop.signal_number)
            if last or state.done % run.training.checkpoint_every == 0 or asked or is_best:
                save(run, state, writer)
            if asked and not last:
                writer.wait()
                distributed.wait_for_all()  # torchrun ends the others soon after the first
                raise Stopped(asked, f"stopped after step {state.done}; continue with --resume")
            state.window.restart_clock()


def save(run: Run, state: State, writer: CheckpointWriter) -> None:
    """Save a checkpoint, in the main process; the others go on to where they need it."""
    if distributed.is_main():
        spared = (state.best.step,) if state.best else ()
        writer.save(run.model, state.optimizer, state.progress, spared, first=state.metrics.sync)


def start(run: Run, tracker: Tracking) -> State:
    """Choose the device, load the newest checkpoint, write what describes the run; the tracker gets its rows."""
    device = choose_device(run.training.device)
    model = run.model.train()
    model.to(device)
    optimizer = build_optimizer(model, run.optimizer)
    before = restore_checkpoint(run.out / "checkpoints", model, optimizer)
    distributed.require_same("last checkpoint", before.steps_done)
    if before.steps_done > run.training.steps:
        raise TrainingError(
            f"{run.out} holds a checkpoint of step {before.steps_done}, but the run has {run.training.steps} steps: it "
            "belongs to another run; move it away"
        )
    backend = choose_backend(model.config.attention_backend, device, computed_in(run.precision))
    environment = describe_environment(device, run.precision, backend, compiled=run.network is not model)
    environment |= {"from": run.origin} if run.origin else {}
    environment["tokens_per_microbatch"] = run.batches.tokens_per_microbatch
    peak = distributed.from_main(partial(matmul_peak, device, run.precision))
    environment["matmul_flops_per_second"] = peak
    log.info(
        "training on %s in %s; attention by %s%s; memory: %s",
        environment["device"], run.precision, backend, ", compiled" if environment["compiled"] else "",
        environment["allocator"],
    )  # fmt: skip
    if distributed.is_main():
        keep_environment(run.out, environment, before.steps_done)
        write_record(run.out / "baselines.json", asdict(run.evaluation.baselines))
        tracker.begin(before.steps_done + 1)
    metrics = MetricsLog(run.out / "metrics.jsonl", before.steps_done, writes=distributed.is_main(), tell=tracker.tell)
    network = distributed.replicate(run.network, device)
    peaks = peak and distributed.size() * peak
    window = LogWindow(before.tokens, run.batches.plan.changes, before.window, peaks)
    scored = before.fixed_mask_scores, before.switched_at, before.best, before.skipped_in_a_row
    return State(before.steps_done, 0.0, device, network, optimizer, metrics, window, *scored)


def one_step(run: Run, state: State, batch: StepBatches) -> None:
    """Dropout, rate and update of one step."""
    state.window.has_data()
    if not state.is_settled:
        settle(state.network, batch.microbatches[0], state.device, run.precision)
        state.is_settled = True
    torch.manual_seed(_dropout_seed(run.training.seed, batch.step, distributed.rank()))
    factor = rate_factor(batch.step, run.training.steps, run.optimizer)
    scale_rates(state.optimizer, factor)
    state.rate = run.optimizer.learning_rate * factor
    result = train_step(
        state.network,
        state.optimizer,
        batch.microbatches,
        clip_norm=run.optimizer.clip_norm,
        device=state.device,
        precision=run.precision,
    )
    state.done = batch.step + 1
    state.skipped = count_skipped(result, state.done, state.skipped)
    flops = sum(training_flops(run.model.config, part) for part in batch.unfilled)
    *masks, flops_of_all = map(int, distributed.sums([*batch.masks, flops]))
    state.window.add(MaskAccount(*masks), result, batch.phase, flops_of_all)


def consider_switch(run: Run, state: State, scores: dict[str, float]) -> None:
    """Show the score under the fixed masks to a curriculum that waits, and record the step at which it switches."""
    plan = run.batches.plan
    if not plan.patience or state.switched_at is not None:
        return
    state.fixed_mask_scores += (scores[BITS],)
    if plan.wants_to_switch(state.fixed_mask_scores):
        state.switched_at = state.done + AHEAD
        log.info(
            "after step %d the bits per hidden base have stopped falling (%s): the curriculum switches after step %d",
            state.done, ", ".join(f"{bits:.4f}" for bits in state.fixed_mask_scores[-plan.patience - 1 :]),
            state.switched_at,
        )  # fmt: skip


def consider_best(state: State, scores: dict[str, float]) -> bool:
    """Whether this evaluation is the best so far, by bits per hidden base or, without them, the token loss."""
    name = next(name for name in (BITS, "eval_loss_nats_per_masked_token") if name in scores)
    if state.best is not None and scores[name] >= state.best.score:
        return False
    state.best = Best(state.done, scores[name])
    log.info(
        "best so far: step %d (%s %.4f); its checkpoint is kept beside the last two", state.done, name, scores[name]
    )
    return True


def save_model(run: Run) -> None:
    """`out/model`: weights, their digest, config, tokenizer and card in Hugging Face layout, whole or not at all."""
    require_finite(run.model.state_dict(), run.training.steps)
    transformers_logging.disable_progress_bar()  # one small file needs none
    with atomic_folder(run.out / "model") as folder:
        run.model.save_pretrained(folder)
        write_weights_digest(folder)
        describe_model(run, folder)
        (folder / "README.md").write_text(run.card(), encoding="utf-8")


def describe_model(run: Run, folder: Path) -> None:
    """Write what a folder with the weights needs to be opened: config and tokenizer."""
    run.model.config.architectures = [type(run.model).__name__]
    run.model.config.save_pretrained(folder)
    run.tokenizer.save_pretrained(folder)


def _dropout_seed(seed: int, step: int, rank: int) -> int:
    """Dropout depends on seed, step and process alone, so that a resumed run repeats it."""
    of_step = hash64(np.array([seed]), Purpose.DROPOUT, np.array([step]))
    return int(hash64(of_step, Purpose.DROPOUT, np.array([rank]))[0]) & (2**63 - 1)
