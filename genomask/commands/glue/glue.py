"""`genomask glue`: each task of GLUE fine-tuned by its published schedule, scored on its dev set, beside floors.

Each task and seed is a run of `genomask finetune` in OUT/TASK/seed-N. OUT/results.csv collects them: a row for each
metric, split, and seed or floor. It keeps the rows of earlier calls; a call shows only those it asks for.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
from rich.table import Table

from genomask.commands.finetune.finetune import run_job
from genomask.commands.finetune.job import RECORD, Request, job_of, refuse_other_run
from genomask.commands.glue.scores import FLOORS, METRICS, truth_of
from genomask.commands.run_folder.folder import holds_run, is_finished
from genomask.commands.run_folder.kinds import RECORDS
from genomask.data.examples import ExampleColumns, Examples
from genomask.data.glue import TASKS, TRAIN, GlueTask, read_split
from genomask.errors import DataError, counted
from genomask.fewshot.finetune import FineTuneSettings
from genomask.fewshot.results import damaged
from genomask.files.atomic import atomic_write, require_folder
from genomask.files.locking import locked
from genomask.inference.forward import logits
from genomask.inference.hub import tokenizer_of
from genomask.inference.models import Loaded, fingerprint, load, places_of
from genomask.inference.tokens import check_lengths, tokenise
from genomask.inference.vocabulary import refuse_dna
from genomask.report.glue import glue_picture, glue_table, glue_words
from genomask.training.records import write_record

MAX_TOKENS = 256
"""As published: longer pairs are cut."""
WARMUP_FRACTION = 0.06
MNLI = TASKS["MNLI"]
GLUE_RECORD = RECORDS["glue"]
KINDS = {"task": str, "split": str, "metric": str, "method": str, "n": np.int64, "score": np.float64}
"""The columns of results.csv."""

Rows = list[dict[str, object]]

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class GlueRequest:
    """A request for scores on GLUE."""

    model: Path
    tasks: tuple[GlueTask, ...]
    data: Path | None
    """A folder with GLUE's files; None: from the hub."""
    seeds: int
    mnli: Path | None
    """A model trained on MNLI, from which RTE, MRPC and STS-B start if MNLI is not among the tasks."""
    learning_rate: float | None
    """Replaces the published ones."""
    epochs: int | None
    """The same."""
    out: Path


def glue(request: GlueRequest, *, resume: bool = False) -> Iterator[Table | str]:
    """Run the tasks in the folder `request.out`, and yield what to print.

    With `resume`, it continues with the unfinished tasks. Raises UserError for bad input before the folder is touched,
    and if the folder holds another run, or any run without `resume`.
    """
    require_folder(request.out)
    refuse_dna(tokenizer_of(request.model), request.model)
    data = {task.name: _read(task, request.data) for task in request.tasks}
    with locked(request.out):
        record, now = request.out / GLUE_RECORD, {"model": fingerprint(request.model)}
        if goes_on := holds_run(request.out, resume, "glue"):
            refuse_other_run(record, now)
        else:
            write_record(record, now)
        try:
            results = _results(request, data)
        except BaseException:
            # nothing was begun, and the record would block the corrected call
            if not goes_on and not any(request.out.glob("*/seed-*")):
                record.unlink()
            raise
    yield glue_table(results)
    yield glue_words(results)
    for suffix in ("svg", "png"):
        glue_picture(results, picture := request.out / f"glue.{suffix}")
    yield f"results: {request.out / 'results.csv'}; picture: {picture}; models: {request.out}/TASK/seed-N/model"


def _results(request: GlueRequest, data: dict[str, list[Examples]]) -> pd.DataFrame:
    """The rows asked for; results.csv is rewritten after each task, and keeps its other rows."""
    path = request.out / "results.csv"
    known, asked = _measured(path), []
    for task in request.tasks:
        train, *dev = data[task.name]
        for name, floor in FLOORS.items():
            if not _are_of(known.get((task.name, name), []), task, dev):  # a bag of words takes minutes on MNLI
                known[task.name, name] = _rows(task, dev, floor(train, dev), name)
        seeds = [f"seed {seed}" for seed in range(request.seeds)]
        for seed, name in enumerate(seeds):
            known[task.name, name] = _rows(task, dev, answers_of_seed(request, task, seed, train, dev), name)
        atomic_write(path, pd.DataFrame(chain(*known.values())).to_csv(index=False, lineterminator="\n"))
        asked += [row for name in (*FLOORS, *seeds) for row in known[task.name, name]]
    return pd.DataFrame(asked)


def _measured(path: Path) -> dict[tuple[str, str], Rows]:
    """The rows of results.csv for each task and method. Raises DataError if it is damaged."""
    if not path.exists():
        return {}
    try:
        rows = pd.read_csv(path, dtype=KINDS, float_precision="round_trip")
    except (OSError, ValueError) as error:
        raise damaged(path) from error
    if list(rows.columns) != list(KINDS):
        raise damaged(path)
    found: dict[tuple[str, str], Rows] = {}
    for row in rows.to_dict("records"):
        found.setdefault((row["task"], row["method"]), []).append(row)
    return found


def _are_of(rows: Rows, task: GlueTask, dev: Sequence[Examples]) -> bool:
    """Whether rows were measured on dev sets of this size."""
    sizes = {split: len(examples.sequences) for split, examples in zip(task.dev, dev, strict=True)}
    return {row["split"]: row["n"] for row in rows} == sizes


def _read(task: GlueTask, data: Path | None) -> list[Examples]:
    """The training examples, and those of each split to score on."""
    train, *dev = (read_split(task, split, data) for split in (TRAIN, *task.dev))
    if len(np.unique(truth_of(train))) < 2:
        raise DataError(
            f"{train.path}: {counted(len(train.sequences), 'example')} with one label, so there is nothing to learn. "
            f"Give {task.name} as it was published."
        )
    return [train, *dev]


def answers_of_seed(
    request: GlueRequest, task: GlueTask, seed: int, train: Examples, dev: Sequence[Examples]
) -> list[np.ndarray]:
    """Fine-tune one seed, unless already done; returns its answers for each split."""
    out = request.out / task.name / f"seed-{seed}"
    begins = _origin(request, task, seed)
    if not is_finished(out):
        log.info("%s, seed %d: from %s", task.name, seed, begins)
    settings = FineTuneSettings(
        schedule="published",
        learning_rate=task.learning_rate if request.learning_rate is None else request.learning_rate,
        epochs=task.epochs if request.epochs is None else request.epochs,
        batch_size=task.batch_size,
        warmup=WARMUP_FRACTION,
    )
    asked = Request(
        model=begins, train=train.path, valid=None, columns=ExampleColumns(), settings=settings, seed=seed,
        out=out, max_tokens=MAX_TOKENS,
    )  # fmt: skip
    for _ in run_job(asked, partial(job_of, asked, train, None, dev[0]), resume=(out / RECORD).exists()):
        pass  # the table of all tasks shows what it would print of one
    loaded = load(out / "model", "trained classification")
    return [_answers(loaded, examples) for examples in dev]


def _origin(request: GlueRequest, task: GlueTask, seed: int) -> Path:
    """The model that a task starts from."""
    if not task.from_mnli:
        return request.model
    trained = request.out / MNLI.name / f"seed-{seed}"
    if MNLI in request.tasks or is_finished(trained):
        return trained / "model"
    if request.mnli is None:
        log.warning("%s starts from the pretrained weights, as there is no MNLI model here", task.name)
    return request.mnli or request.model


def _answers(loaded: Loaded, examples: Examples) -> np.ndarray:
    """(N,) the likeliest class of each example, or its predicted number."""
    loaded.tokenizer.model_max_length = min(MAX_TOKENS, places_of(loaded.model) or MAX_TOKENS)
    tokenised = tokenise(loaded.tokenizer, examples.sequences, str(examples.path))
    check_lengths(*loaded, tokenised, str(examples.path))
    found = logits(loaded.model, tokenised.tokens).numpy()
    answers: np.ndarray = found.argmax(axis=1) if found.shape[1] > 1 else found[:, 0]
    return answers


def _rows(task: GlueTask, dev: Sequence[Examples], said: Sequence[np.ndarray], method: str) -> Rows:
    return [
        {
            "task": task.name,
            "split": split,
            "metric": metric,
            "method": method,
            "n": len(answers),
            "score": METRICS[metric](truth_of(examples), answers),
        }
        for split, examples, answers in zip(task.dev, dev, said, strict=True)
        for metric in task.metrics
    ]
