"""`genomask finetune`: train, draw what was learnt, and save the classifier as a Hugging Face folder."""

import logging
import math
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pandas as pd
import torch
from rich.table import Table
from transformers import PreTrainedModel
from transformers.utils import logging as transformers_logging

from genomask.commands.finetune.card import classifier_card
from genomask.commands.finetune.epochs import (
    LOSS,
    VALID_LOSS,
    best_epoch,
    constant_guess,
    evaluate,
    scored_epochs,
    train,
)
from genomask.commands.finetune.job import RECORD, Job, Request, Scale, note, prepare
from genomask.commands.run_folder.folder import holds_run, is_finished
from genomask.data.examples import NUMBER, ONE
from genomask.errors import UserError, counted
from genomask.fewshot.linear_first import last_layer
from genomask.files.atomic import atomic_folder, require_folder, sweep
from genomask.files.digests import write_weights_digest
from genomask.files.locking import locked
from genomask.inference.classes import read_out
from genomask.inference.forward import logits
from genomask.report.classifier_plots import answers, loss_curves, predictions
from genomask.report.tables import rich_table
from genomask.training.environment import FIRST
from genomask.training.finite import require_finite
from genomask.training.metrics_log import read_metrics

WRITTEN = (RECORD, FIRST, "metrics.jsonl", "model/", "curves.*", "confusion.*", "scatter.*")
"""Files that a run writes whole or not at all, besides its checkpoints."""

LOSS_ADVICE = (
    "The loss, {:.3f} {}, is no lower than that of the constant guess, {:.3f}: the model is overconfident. "
    "Use its figures to rank sequences, not as probabilities or amounts; more examples may help."
)

log = logging.getLogger(__name__)


def finetune(request: Request, *, resume: bool = False) -> Iterator[Table | str]:
    """Train a classifier in the folder `request.out`, and yield what to print.

    With `resume`, it continues from the newest checkpoint; a finished run is left as it is. Raises UserError for bad
    input before the folder is touched, and if the folder holds another run, or any run without `resume`.
    """
    yield from run_job(request, partial(prepare, request), resume=resume)


def run_job(request: Request, prepared: Callable[[], Job], *, resume: bool) -> Iterator[Table | str]:
    """The same for a job that `prepared` makes."""
    require_folder(request.out)
    with locked(request.out):
        sweep(request.out, *WRITTEN)
        sweep(request.out / "checkpoints", "step-*/")
        holds_run(request.out, resume, "finetune")
        job = prepared()
        note(job, resume=resume)
        if is_finished(request.out):
            log.info("%s is finished; nothing to do", request.out)
        else:
            _say_repeats(job)
            try:
                train(job)
            except UserError:
                if not resume and not (request.out / FIRST).exists():  # nothing was begun: free for a new call
                    (request.out / RECORD).unlink()
                raise
            yield from _finish(job)
        shutil.rmtree(request.out / "checkpoints", ignore_errors=True)  # three times the model's size


def _finish(job: Job) -> Iterator[Table | str]:
    """Draw pictures, then save `model/`, which ends the run; yields the scores, and where everything is."""
    model, out = job.loaded.model, job.out
    read, where = job.scored
    (loss, scores), (guessed, guess) = evaluate(model, read, job.scale), constant_guess(job)
    _unscale(model, job.scale)
    picture = _draw(job, guessed)
    table = _score_frame(scores, guess)
    _save(job, table, where)
    kept = scored_epochs(read_metrics(out / "metrics.jsonl"))
    epoch = f"; kept: epoch {best_epoch(kept)['epoch']} of {len(kept)}" if kept else ""
    yield f"scores on {counted(len(read.examples.sequences), 'sequence')} of {where}{epoch}"
    yield rich_table(table)
    if loss >= guessed:
        yield LOSS_ADVICE.format(loss, _unit(LOSS[job.problem]), guessed)
    yield f"model: {out / 'model'}; curves: {out / 'curves.png'}; answers: {picture}"


def _score_frame(scores: dict[str, float], guess: dict[str, float]) -> pd.DataFrame:
    """A row per score: the model's and that of a constant guess; - where undefined, as with a single class."""
    rows = [
        (name, *("-" if math.isnan(figure) else f"{figure:.4f}" for figure in (value, guess[name])))
        for name, value in scores.items()
    ]
    return pd.DataFrame(rows, columns=["score", "model", "constant guess"])


def _unit(loss: str) -> str:
    return loss.removeprefix("loss_").replace("_", " ")


def _unscale(model: PreTrainedModel, scale: Scale) -> None:
    """Rescale a regression's last layer, so that it predicts its targets in their own unit."""
    if scale == Scale():
        return
    last = last_layer(model)
    with torch.no_grad():
        last.weight.mul_(scale.deviation)
        last.bias.mul_(scale.deviation).add_(scale.mean)


def _draw(job: Job, guessed: float) -> Path:
    """Draw the curves, beside a constant guess's loss, and the answers beside the truth; returns the latter's path."""
    read, where = job.scored
    problem, out, examples = job.problem, job.out, read.examples
    found = logits(job.loaded.model, read.tokens)
    rows = pd.DataFrame(read_metrics(out / "metrics.jsonl"))
    for suffix in ("svg", "png"):
        loss_curves(rows, LOSS[problem], VALID_LOSS[problem], guessed, out / f"curves.{suffix}")
        if problem == NUMBER:
            path = out / f"scatter.{suffix}"
            predictions(examples.targets[:, 0], found[:, 0].numpy(), examples.classes[0], path, where)
        else:
            path = out / f"confusion.{suffix}"
            figures = read_out(job.loaded.model, [found]).figures
            answers(examples.targets, figures, examples.classes, path, where, several=problem != ONE)
    return path


def _save(job: Job, scores: pd.DataFrame, where: str) -> None:
    """Save `model/` in Hugging Face layout, whole or not at all."""
    model = job.loaded.model
    require_finite(model.state_dict(), read_metrics(job.out / "metrics.jsonl")[-1]["step"])
    transformers_logging.disable_progress_bar()
    with atomic_folder(job.out / "model") as folder:
        model.save_pretrained(folder)
        write_weights_digest(folder)
        job.loaded.tokenizer.save_pretrained(folder)
        (folder / "README.md").write_text(classifier_card(job, scores, where), encoding="utf-8")


def _say_repeats(job: Job) -> None:
    """Warn of --valid sequences that are also in --train: they show nothing about others."""
    if job.valid:
        known = set(job.train.examples.sequences)
        if repeats := sum(sequence in known for sequence in job.valid.examples.sequences):
            log.warning(
                "%d of the %s of --valid %s also in --train, so its scores are inflated and training stops late",
                repeats, counted(len(job.valid.examples.sequences), "sequence"), "is" if repeats == 1 else "are",
            )  # fmt: skip
