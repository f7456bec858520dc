"""One model's few-shot measurements: every method, shot and draw asked for, into one results.csv.

In: a model folder, a pool and a test, settings. Out: rows (see results.py), and summary.csv beside them.
"""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from genomask.data.tasks import LabelledTask
from genomask.fewshot.finetune import finetune_scorer
from genomask.fewshot.floors import kmer_scorer
from genomask.fewshot.metrics import score
from genomask.fewshot.probe import probe_scorer
from genomask.fewshot.protocol import (
    FewShotSettings,
    Scorer,
    align_classes,
    check_pool,
    draw_examples,
    number_of_draws,
    smallest_class,
)
from genomask.fewshot.readable import check_readable
from genomask.fewshot.results import Cell, ResultsFile, read_protocol, read_results, task_digest
from genomask.fewshot.summary import summarise
from genomask.files.atomic import atomic_write
from genomask.inference.forward import fingerprint
from genomask.training.device import choose_device, scoring_precision

Progress = Callable[[int, int, str], None]
"""Called before each measurement: how many are done, how many there are, which one comes."""

NO_MODEL = ("none", "none", -1)
"""model, strategy and pretraining_seed of the floor that has no model: measured once for all models of a folder."""


def run_fewshot(
    model_dir: Path,
    pool: LabelledTask,
    test: LabelledTask,
    settings: FewShotSettings,
    *,
    strategy: str,
    pretraining_seed: int,
    out: Path,
    progress: Progress,
) -> pd.DataFrame:
    """Measure what is not yet in `out`/results.csv, rewrite `out`/summary.csv, return the rows asked for.

    The task's name is the pool's. Raises DataError for a pool or test that does not serve, SettingsError where `out`
    holds results of other settings, data or weights.
    """
    check_pool(pool, settings.shots)
    test = LabelledTask(pool.name, test.sequences, align_classes(pool, test), pool.classes, test.path)
    file = ResultsFile(out, _protocol(model_dir, pool, test, settings))
    own = (str(model_dir), strategy, pretraining_seed)
    cells = [
        Cell(*(NO_MODEL if method == "kmer-logreg" else own), pool.name, shot, draw, method)
        for method in settings.measured_methods()
        for shot, draw in _draws(pool, settings)
    ]
    missing = [cell for cell in cells if cell not in file.done]
    rows = _drawn(pool, settings)
    if needed := {cell.method for cell in missing} - {"kmer-logreg"}:
        used = {str(pool.path): [pool.sequences[row] for row in rows], str(test.path): test.sequences}
        check_readable(model_dir, used, settings.pool if any(name.endswith("probe") for name in needed) else "")
    done = len(cells) - len(missing)
    for method in dict.fromkeys(cell.method for cell in missing):
        progress(done, len(cells), f"{method}: reading {pool.name}")
        scorer = _scorer(method, model_dir, pool, test, settings, rows, pretraining_seed)
        for cell in (cell for cell in missing if cell.method == method):
            progress(done, len(cells), f"{method}: {cell.shot} shots, draw {cell.draw}")
            drawn = draw_examples(pool.labels, cell.shot, pool.name, cell.draw)
            file.append(cell, len(drawn), len(test.labels), score(test.labels, scorer(drawn, cell.shot, cell.draw)))
            done += 1
    progress(done, len(cells), "done")
    write_summary(out)
    return file.rows(cells)


def write_summary(out: Path) -> pd.DataFrame:
    """Make `out`/summary.csv from all rows of `out`/results.csv."""
    tasks = read_protocol(out)["tasks"]
    summary = summarise(read_results(out), {name: task["smallest_class"] for name, task in tasks.items()})
    atomic_write(out / "summary.csv", summary.to_csv(index=False))
    return summary


def _draws(pool: LabelledTask, settings: FewShotSettings) -> list[tuple[int, int]]:
    """Every (shot, draw) to measure."""
    smallest = smallest_class(pool)
    return [(shot, draw) for shot in settings.shots for draw in range(number_of_draws(smallest, shot, settings.draws))]


def _drawn(pool: LabelledTask, settings: FewShotSettings) -> np.ndarray:
    """The rows of the pool that any draw takes."""
    draws = [draw_examples(pool.labels, shot, pool.name, draw) for shot, draw in _draws(pool, settings)]
    return np.unique(np.concatenate(draws))


def _scorer(
    method: str,
    model_dir: Path,
    pool: LabelledTask,
    test: LabelledTask,
    settings: FewShotSettings,
    rows: np.ndarray,
    seed: int,
) -> Scorer:
    untrained = method.startswith("random-init/")
    if method == "kmer-logreg":
        return kmer_scorer(pool, test)
    if method.endswith("finetune"):
        return finetune_scorer(model_dir, pool, test, settings, seed=seed, untrained=untrained)
    return probe_scorer(model_dir, pool, test, settings, rows, seed=seed, untrained=untrained)


def _protocol(
    model_dir: Path, pool: LabelledTask, test: LabelledTask, settings: FewShotSettings
) -> dict[str, dict[str, Any]]:
    """All that a row depends on and does not name."""
    named = ("shots", "draws", "methods", "tokens_per_batch")
    task = {"pool": task_digest(pool), "test": task_digest(test), "smallest_class": smallest_class(pool)}
    needs_model = settings.measured_methods() != ["kmer-logreg"]
    precision = {"precision": scoring_precision(choose_device("auto"))} if needs_model else {}
    return {
        "settings": {name: value for name, value in asdict(settings).items() if name not in named} | precision,
        "tasks": {pool.name: task},
        "models": {str(model_dir): fingerprint(model_dir)} if needs_model else {},
    }
