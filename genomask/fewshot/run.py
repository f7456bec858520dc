"""One model's few-shot measurements: every method, shot and draw asked for, into one results.csv.

In: a model folder, a pool and a test, settings. Out: rows (see results.py), and summary.csv beside them.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from genomask.data.tasks import LabelledTask
from genomask.fewshot.correct import CorrectFile
from genomask.fewshot.draws import align_classes, check_pool, draw_examples, number_of_draws, smallest_class
from genomask.fewshot.methods import METHODS, Given, Method
from genomask.fewshot.metrics import score
from genomask.fewshot.protocol import FewShotSettings
from genomask.fewshot.readable import check_readable
from genomask.fewshot.results import NO_MODEL, Cell, ResultsFile, damaged, read_protocol, read_results, task_digest
from genomask.fewshot.summary import summarise
from genomask.files.atomic import atomic_write
from genomask.inference.models import fingerprint
from genomask.training.device import choose_device, scoring_precision

Measured = Callable[[int, int, str], None]
"""Called before each measurement with how many are done, how many there are, and which comes next."""


def run_fewshot(
    model_dir: Path,
    pool: LabelledTask,
    test: LabelledTask,
    settings: FewShotSettings,
    *,
    strategy: str,
    pretraining_seed: int,
    out: Path,
    progress: Measured,
    valid: LabelledTask | None = None,
) -> pd.DataFrame:
    """Measure what is not yet in `out`/results.csv, rewrite `out`/summary.csv, return the rows asked for.

    The task's name is the pool's. `valid` decides which epoch of fine-tuning is kept. Raises DataError for an
    unsuitable pool or test, SettingsError if `out` holds results of other settings, data or weights.
    """
    check_pool(pool, () if settings.whole else settings.shots)
    test, valid = _numbered_as(pool, test), valid and _numbered_as(pool, valid)
    file = ResultsFile(out, _protocol(model_dir, pool, test, valid, settings))
    answers = CorrectFile(out)
    own, no_model = (str(model_dir), strategy, pretraining_seed), (NO_MODEL, NO_MODEL, -1)
    cells = [
        Cell(*(own if method.needs_model else no_model), pool.name, shot, draw, method.name)
        for method in settings.measured
        for shot, draw in draws_of(pool, settings, method)
    ]
    missing = [cell for cell in cells if cell not in file.done]
    rows = _drawn(pool, settings)
    needed = [METHODS[name] for name in dict.fromkeys(cell.method for cell in missing)]
    if any(method.needs_model for method in needed):
        pooling = settings.vectors.pooling if any(method.pools_vectors for method in needed) else ""
        all_of = [(task, range(len(task.sequences))) for task in (test, valid) if task]
        check_readable(model_dir, [(pool, rows.tolist()), *all_of], pooling)
    given = Given(
        model=model_dir,
        pool=pool,
        test=test,
        rows=rows,
        seed=pretraining_seed,
        vectors=settings.vectors,
        finetune=settings.finetune,
        valid=valid,
    )
    done = len(cells) - len(missing)
    for method in needed:
        progress(done, len(cells), f"{method.name}: reading {pool.name}")
        scorer = method.scorer(given)
        for cell in (cell for cell in missing if cell.method == method.name):
            progress(done, len(cells), f"{method.name}: {cell.shot} shots, draw {cell.draw}")
            drawn = rows if settings.whole else draw_examples(pool.labels, cell.shot, pool.name, cell.draw)
            probabilities = scorer(drawn, cell.shot, cell.draw)
            answers.append(cell, probabilities.argmax(axis=1) == test.labels)
            file.append(cell, len(drawn), len(test.labels), score(test.labels, probabilities))
            done += 1
    progress(done, len(cells), "done")
    atomic_write(out / "summary.csv", summary_of(out).to_csv(index=False))
    return file.rows(cells)


def check_results(
    model_dir: Path, pool: LabelledTask, test: LabelledTask, settings: FewShotSettings, out: Path
) -> None:
    """Raises SettingsError now if `out` holds results of other settings, data or weights; nothing is written."""
    ResultsFile(out, _protocol(model_dir, pool, _numbered_as(pool, test), None, settings))


def summary_of(out: Path) -> pd.DataFrame:
    """The content of summary.csv, from all rows of `out`/results.csv. Raises DataError for a row of an unknown task."""
    rows, protocol = read_results(out), read_protocol(out)
    tasks = protocol["tasks"]
    if not set(rows["task"]) <= tasks.keys():
        raise damaged(out / "protocol.json")
    whole = bool(protocol.get("settings", {}).get("whole"))
    return summarise(rows, {name: task["smallest_class"] for name, task in tasks.items()}, whole=whole)


def _numbered_as(pool: LabelledTask, task: LabelledTask) -> LabelledTask:
    """The task with its labels numbered like the pool's; DataError for a label that the pool lacks."""
    return replace(task, name=pool.name, labels=align_classes(pool, task), classes=pool.classes)


def draws_of(pool: LabelledTask, settings: FewShotSettings, method: Method) -> list[tuple[int, int]]:
    """Every (shot, draw) to measure; for a whole pool the shot is the mean size of a class, rounded up."""
    if settings.whole:
        average = -(-len(pool.labels) // len(pool.classes))
        return [(average, seed) for seed in range(settings.draws if method.is_drawn else 1)]
    return [(shot, draw) for shot in settings.shots for draw in range(number_of_draws(pool, shot, settings.draws))]


def _drawn(pool: LabelledTask, settings: FewShotSettings) -> np.ndarray:
    """The rows of the pool that any draw takes."""
    if settings.whole:
        return np.arange(len(pool.labels))
    cells = {cell for method in settings.measured for cell in draws_of(pool, settings, method)}
    return np.unique(np.concatenate([draw_examples(pool.labels, shot, pool.name, draw) for shot, draw in cells]))


def _protocol(
    model_dir: Path, pool: LabelledTask, test: LabelledTask, valid: LabelledTask | None, settings: FewShotSettings
) -> dict[str, dict[str, Any]]:
    """All that a row depends on but does not name."""
    task = {"pool": task_digest(pool), "test": task_digest(test), "smallest_class": smallest_class(pool)}
    if valid:
        task["valid"] = task_digest(valid)
    precision = {"precision": scoring_precision(choose_device("auto"))} if settings.needs_model else {}
    return {
        "settings": settings.binding(),
        "inference": precision,
        "tasks": {pool.name: task},
        "models": {str(model_dir): fingerprint(model_dir)} if settings.needs_model else {},
    }
