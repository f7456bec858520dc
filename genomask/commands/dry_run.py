"""What a run would take on this machine, from a probe of seconds: a recipe and its input in, figures out.

Nothing is written except the caches that the run would fill too.
"""

import heapq
import itertools
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import pandas as pd
import torch
from rich.table import Table

from genomask.commands.cache import sized
from genomask.commands.compare.arms import Arm, Comparison, check_arms, threads_for
from genomask.commands.compare.comparison import check_comparison
from genomask.commands.compare.workers import places
from genomask.commands.pretrain import build_run
from genomask.commands.run_folder.changes import STEPS, check_settings
from genomask.commands.run_folder.folder import (
    check_facts,
    facts_of,
    holds_run,
    is_finished,
    require_places,
    steps_done,
)
from genomask.commands.run_folder.origin import Origin
from genomask.data.opening import Inputs
from genomask.errors import SettingsError, counted
from genomask.files.atomic import require_folder
from genomask.recipe import Recipe
from genomask.report.tables import rich_table
from genomask.training import distributed
from genomask.training.batches import StepBatches
from genomask.training.checkpoint import CHECKPOINTS_AT_ONCE, checkpoint_bytes
from genomask.training.device import choose_device, peak_bytes
from genomask.training.evaluation import Evaluation, Part, evaluate
from genomask.training.loop import Run
from genomask.training.optimizer import build_optimizer
from genomask.training.step import loss_sum

PROBE_SECONDS = 4.0
"""Time spent training on microbatches to measure the speed."""
EVALUATED_FRACTION = 0.1
"""Fraction of the held-out sequences that is scored to time an evaluation."""

T = TypeVar("T")


class Estimate(NamedTuple):
    """What one run takes."""

    parameters: int
    steps: int
    done: int
    """Steps before the checkpoint that the run resumes from."""
    tokens_per_step: int
    """As a run counts them, without special ones; in the first step with sequences of the greatest length."""
    start_seconds: float
    """Reading, counting, building and the first microbatch, which compiles the model."""
    step_seconds: float
    evaluation_seconds: float
    evaluate_every: int
    """Steps between evaluations; the last step is evaluated too."""
    memory_bytes: int
    disk_bytes: int

    @property
    def left(self) -> int:
        """Steps to train."""
        return self.steps - self.done

    @property
    def evaluations(self) -> int:
        """Evaluations to come."""
        return -(-self.steps // self.evaluate_every) - self.done // self.evaluate_every

    @property
    def seconds(self) -> float:
        """From the first byte read to the last step, without writing checkpoints."""
        return self.start_seconds + self.left * self.step_seconds + self.evaluations * self.evaluation_seconds


def estimate(
    recipe: Recipe, inputs: Inputs, out: Path, origin: Origin | None = None, *, resume: bool = False
) -> Estimate:
    """Build the run and try a few microbatches. Raises what the run itself would raise before its first step.

    `resume`: estimate the rest of the run in `out`, after its last checkpoint.
    """
    if distributed.size() > 1:
        raise SettingsError("--dry-run estimates a single process; start it without torchrun.")
    began = time.perf_counter()
    run = build_run(recipe, inputs, out, origin)
    if resume:
        check_facts(out, facts_of(recipe, run.batches.source.fingerprint, origin))
    return _probe(run, began, steps_done(out) if resume else 0)


def pretrain_estimate(
    recipe: Recipe, inputs: Inputs, out: Path, origin: Origin | None, resume: bool
) -> Iterator[Table | str]:
    """`genomask pretrain --dry-run`: what to print. Raises what the run itself would raise before its first step."""
    require_folder(out)
    require_places(out)
    goes_on = (resume or out.exists()) and holds_run(out, resume)
    changes = check_settings(out, recipe, inputs) if goes_on else []
    if is_finished(out) and not any(change.name == STEPS for change in changes):
        check_facts(out, facts_of(recipe, recipe.open_source(inputs, out).fingerprint, origin))
        yield f"{out} is finished; nothing to do"
        return
    found = estimate(recipe, inputs, out, origin, resume=goes_on)
    done = f"{counted(steps_done(out), 'step')} of {recipe.training.steps:,} are done and not counted. "
    yield _table(found, f"{out}: estimate for this machine", f"{done if goes_on else ''}Nothing was written.")


def compare_estimate(comparison: Comparison) -> Iterator[Table | str]:
    """`genomask compare --dry-run`: what the arms still to be trained would take."""
    check_comparison(comparison)
    check_arms(comparison.arms())
    waiting = [arm for arm in comparison.arms() if not arm.is_finished]
    if not waiting:
        raise SettingsError(f"{comparison.out}: every arm is finished, so there is nothing to estimate.")
    untrained = [arm for arm in waiting if not is_finished(arm.folder)]
    n_measured = len(waiting) - len(untrained)
    measured = f"{counted(n_measured, 'arm is', 'arms are')} trained, and will only be measured. " if n_measured else ""
    if not untrained:
        yield f"{comparison.out}: {measured}How long that takes is not estimated. Nothing was written."
        return
    at_once = len(places(len(waiting), comparison.recipe.training.device))  # an arm only measured takes a place too
    yield _arms_table(untrained, at_once, measured)


def _arms_table(arms: list[Arm], at_once: int, measured: str) -> Table:
    """What the arms to be trained would take, `at_once` of all arms side by side; `measured`: words on the others."""
    comparison, before = arms[0].comparison, torch.get_num_threads()
    torch.set_num_threads(threads_for(at_once))
    try:
        found = estimate(arms[0].recipe, comparison.inputs, arms[0].folder)
    finally:
        torch.set_num_threads(before)
    side_by_side, done = min(at_once, len(arms)), [steps_done(arm.folder) for arm in arms]
    begun = f"{counted(sum(done), 'step')} of stopped arms are done and not counted in the time of all arms. "
    whole = [
        ("arms", f"{len(arms)}, {side_by_side} side by side"),
        ("time of all arms", duration(_until_all_end([found._replace(done=n).seconds for n in done], at_once))),
        ("memory of all arms", sized(side_by_side * found.memory_bytes)),
        ("disk of all arms", sized(len(arms) * found.disk_bytes)),
    ]
    return _table(
        found,
        f"{comparison.out}: estimate for each arm from its first step, on this machine",
        f"{measured}{begun if any(done) else ''}Pretraining only: few-shot measurements are extra. "
        "Nothing was written.",
        whole,
    )


def _until_all_end(seconds: list[float], at_once: int) -> float:
    """When the last run ends, if each takes the place that is free first."""
    ends = [0.0] * at_once
    for taken in seconds:
        heapq.heapreplace(ends, ends[0] + taken)
    return max(ends)


def _probe(run: Run, began: float, done: int) -> Estimate:
    """Time a little training and scoring to estimate what is left after `done` steps. Changes the model."""
    device = choose_device(run.training.device)
    precision = run.precision
    model = run.model.train()
    model.to(device)
    optimizer = build_optimizer(model, run.optimizer)
    making, batch = _timed(partial(run.batches.of, run.batches.longest_step), device)
    train = partial(_train_on, run, batch, device, precision)
    _timed(partial(train, 0), device)
    optimizer.step()  # creates its moments
    started = time.perf_counter() - began
    numbers, seconds, tokens = itertools.cycle(range(len(batch.microbatches))), 0.0, 0
    while seconds < PROBE_SECONDS:
        taken, seen = _timed(partial(train, next(numbers)), device)
        seconds, tokens = seconds + taken, tokens + seen
    updating, _ = _timed(optimizer.step, device)
    of_step = sum(len(part.input_ids) for part in batch.microbatches)
    part, times = _part_of(run.evaluation, EVALUATED_FRACTION)
    evaluate(model, _part_of(run.evaluation, 0)[0], device, precision)  # the first takes longer
    scoring, _ = _timed(partial(evaluate, model, part, device, precision), device)
    checkpoint = checkpoint_bytes(model, optimizer)
    return Estimate(
        parameters=model.num_parameters(),
        steps=run.training.steps,
        done=done,
        tokens_per_step=batch.masks.tokens,
        start_seconds=started,
        step_seconds=max(making, of_step * seconds / tokens + updating),  # the next batch is made meanwhile
        evaluation_seconds=times * scoring,
        evaluate_every=run.scoring.every,
        memory_bytes=peak_bytes(device) + (checkpoint if device.type == "cpu" else 0),  # saving copies it
        disk_bytes=CHECKPOINTS_AT_ONCE * checkpoint + 4 * model.num_parameters(),
    )


def _train_on(run: Run, batch: StepBatches, device: torch.device, precision: str, number: int) -> int:
    """Forward and backward of one microbatch, as in a step; returns its number of tokens."""
    microbatch = batch.microbatches[number].to(device)
    (loss_sum(run.network, microbatch, device, precision) / max(1, len(microbatch.masked_index))).backward()
    return len(microbatch.input_ids)


def _part_of(whole: Evaluation, fraction: float) -> tuple[Evaluation, float]:
    """A part of the evaluation, and how many times as many tokens the whole has."""
    n_batches, n_windows = (max(1, int(fraction * len(x))) for x in (whole.token_batches, whole.codes))
    part = whole.only(Part(slice(n_windows), slice(n_batches)))
    return part, _tokens(whole) / _tokens(part)


def _tokens(scored: Evaluation) -> int:
    return sum(len(x.input_ids) for x in scored.token_batches) + len(scored.hidden) * scored.input_ids.numel()


def _timed(work: Callable[[], T], device: torch.device) -> tuple[float, T]:
    """Seconds taken, and the result."""
    began = time.perf_counter()
    result = work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began, result


def _table(found: Estimate, title: str, caption: str, more: list[tuple[str, str]] | None = None) -> Table:
    rows = [
        ("parameters", f"{found.parameters:,}"),
        ("tokens a step", f"{found.tokens_per_step:,}"),
        ("tokens in all", f"{found.left * found.tokens_per_step:,} in {counted(found.left, 'step')}"),
        ("speed", f"{found.tokens_per_step / found.step_seconds:,.0f} tokens/s"),
        ("memory", sized(found.memory_bytes)),
        ("time", f"{duration(found.seconds)}, including {counted(found.evaluations, 'evaluation')} of "
                 f"{duration(found.evaluation_seconds)}"),
        ("disk", sized(found.disk_bytes)),
        *(more or []),
    ]  # fmt: skip
    return rich_table(pd.DataFrame(rows, columns=["", "estimate"]), title, caption)


def duration(seconds: float) -> str:
    """As '3.4 s', '12 min' or '5.2 h'."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
