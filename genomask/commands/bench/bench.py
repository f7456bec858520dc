"""`genomask bench`: models and a suite in; a table, results.csv, summary.csv and report.html out.

Each method of few-shot, floors included, is trained on a task's whole training set; one with a seed is repeated.
"""

import logging
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from rich.table import Table

from genomask.commands.bench.seen import in_pretraining, without_seen
from genomask.commands.fewshot import provenance
from genomask.commands.run_folder.kinds import refuse_others
from genomask.data.suites import LAYOUTS, Layout, Regions, SuiteTask, suite_tasks
from genomask.errors import DataError, UserError, counted
from genomask.fewshot.leaks import Leaks, leaks_in_pool
from genomask.fewshot.protocol import FewShotSettings
from genomask.fewshot.results import RESULT_FILES
from genomask.fewshot.run import run_fewshot
from genomask.files.atomic import require_folder, sweep
from genomask.files.locking import locked
from genomask.report.bench_frames import CAPTION, bench_frame, floor_counts
from genomask.report.html import ReportPage, Section, TablePart, write_page
from genomask.report.leak_rows import FOUND, TITLE
from genomask.report.tables import rich_table
from genomask.terminal.progress import working

PAGE = "report.html"

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class BenchRequest:
    """A request for a benchmark."""

    suite: Path
    models: tuple[Path, ...]
    genome: tuple[Path, ...]
    """From which a suite of coordinates is read."""
    settings: FewShotSettings
    """`whole`, and `draws` seeds."""
    out: Path


def bench(request: BenchRequest) -> Iterator[Table | str]:
    """Measure what `out` lacks, and yield what to print.

    Raises UserError for a suite without a task, for an `out` that is another verb's and, once all others are measured,
    for tasks that failed: those that cannot be read, or of which `out` holds results of other settings.
    """
    tasks = suite_tasks(request.suite)
    require_folder(request.out)
    refuse_others(request.out, "fewshot or bench")
    with locked(request.out):
        sweep(request.out, *RESULT_FILES, PAGE)
        measured = _measured(request, tasks)
        metrics = {task.name: task.metric for task in tasks}
        frame, verdict = bench_frame(measured.rows, metrics), list(floor_counts(measured.rows, metrics))
        models = request.models if request.settings.needs_model else ()
        looked_up = list(in_pretraining(models, measured.tests))
        found = {str(model): found for model, (_, found) in zip(models, looked_up, strict=True)}
        seen = without_seen(measured.rows, request.out, measured.leaks, found)
        sentences = [*_protocols(tasks), *_in_training(measured), *(said for said, _ in looked_up)]
        _write_page(request, frame, seen, " ".join(verdict), sentences)
        narrow = frame.rename(columns=lambda name: re.sub("(?<=[-/])", "\n", name))
        yield rich_table(narrow, f"{request.suite.name}, % of each metric", CAPTION)
        yield from (*sentences, *verdict)
        yield f"{counted(len(measured.rows), 'measurement')}: {request.out / 'results.csv'}; page: {request.out / PAGE}"
        if measured.failed:
            raise DataError(f"not measured: {'; '.join(measured.failed)}.")


class _Measured(NamedTuple):
    rows: pd.DataFrame
    """Those of results.csv that were asked for."""
    tests: dict[str, list[str]]
    """The test sequences by task."""
    leaks: dict[str, Leaks]
    """Which of them are in the training set."""
    failed: list[str]
    """Which tasks failed, and why."""


def _measured(request: BenchRequest, tasks: list[SuiteTask]) -> _Measured:
    genome, rows, found = Regions(request.genome), [], _Measured(pd.DataFrame(), {}, {}, [])
    with working("bench", unit="measurement") as work:
        for number, task in enumerate(tasks, 1):

            def show(done: int, total: int, what: str, at: str = f"task {number} of {len(tasks)}") -> None:
                work.show(done, total=total, status=f"{at}, {what}")

            try:
                train, test, dev = task.read(genome)
                for model in request.models:
                    strategy, seed = provenance(model)
                    measure = partial(run_fewshot, model, train, test, request.settings, out=request.out, progress=show)
                    rows.append(measure(strategy=strategy, pretraining_seed=seed, valid=dev))
            except UserError as error:
                found.failed.append(f"{task.name}: {str(error).rstrip('.')}")
                log.warning("%s is left out: %s", task.name, error)
            else:
                found.tests[task.name] = test.sequences
                found.leaks[task.name] = leaks_in_pool(test.sequences, train.sequences)
    if not rows:
        raise DataError(f"no task of {request.suite} could be measured: {'; '.join(found.failed)}.")
    return found._replace(rows=pd.concat(rows).drop_duplicates(["model", "task", "method", "draw"]))


def _in_training(measured: _Measured) -> Iterator[str]:
    """A sentence for each task of which test sequences are in the training set too."""
    for name, leaks in measured.leaks.items():
        if leaks.found.any():
            yield f"{name}: {leaks.sentence('the training set')}"


def _protocols(tasks: list[SuiteTask]) -> list[str]:
    found = {task.layout.suite for task in tasks}
    return [f"{x.suite}: {x.protocol}; metric: {_metric(x)}." for x in LAYOUTS if x.suite in found]


def _metric(layout: Layout) -> str:
    return ", ".join([layout.metric, *(f"of {word} {metric}" for word, metric in layout.metrics.items())])


def _write_page(
    request: BenchRequest, frame: pd.DataFrame, seen: pd.DataFrame, verdict: str, sentences: list[str]
) -> None:
    table = TablePart(title="Score on the published test set, %", frame=frame, caption=CAPTION)
    sections = [Section(title="Scores", parts=(table,), paragraphs=tuple(sentences))]
    if len(seen):
        without = TablePart(title=TITLE, frame=seen, caption=FOUND)
        sections.append(Section(title="What may have been seen", parts=(without,)))
    settings = asdict(request.settings)
    asked = {name: value for name, value in settings.items() if name not in ("shots", "whole", "draws")}
    page = ReportPage(
        title=f"Benchmark: {request.suite.name}",
        verdict=verdict,
        about=f"{', '.join(map(str, request.models))} on the tasks in {request.suite}.",
        sections=tuple(sections),
        settings={"seeds": settings["draws"]} | asked,  # the whole training set is used
    )
    write_page(page, request.out / PAGE)
