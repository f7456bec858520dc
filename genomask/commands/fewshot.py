"""`genomask fewshot`: a model folder and a task in; tables, results.csv, summary.csv and a picture out."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from rich.table import Table

from genomask.commands.run_folder.folder import read_config, run_of
from genomask.commands.run_folder.leaks import seen_by_model
from genomask.data.tasks import USUAL, Columns, LabelledTask, read_task
from genomask.errors import counted
from genomask.fewshot.correct import CorrectFile, accuracy_by_leak
from genomask.fewshot.floor_test import against_floors
from genomask.fewshot.floors import commonest
from genomask.fewshot.leaks import leaks_in_pool
from genomask.fewshot.methods import PRETRAINED
from genomask.fewshot.protocol import FewShotSettings
from genomask.fewshot.results import NO_MODEL, RESULT_FILES, Cell
from genomask.fewshot.run import run_fewshot, summary_of
from genomask.fewshot.summary import captions
from genomask.files.atomic import require_folder, sweep
from genomask.files.inputs import require_model
from genomask.files.locking import locked
from genomask.report.fewshot_tables import fewshot_table, floor_table
from genomask.report.floor_words import floor_sentence
from genomask.report.leak_rows import leak_table
from genomask.report.plots import fewshot_curves
from genomask.terminal.progress import working


def measure(
    model: Path, train: Path, test: Path, settings: FewShotSettings, out: Path, columns: Columns = USUAL
) -> Iterator[Table | str]:
    """Measure, draw the picture, and yield what to print."""
    require_folder(out)
    with locked(out):
        sweep(out, *RESULT_FILES)
        yield from _measure(model, train, test, settings, out, columns)


def _measure(
    model: Path, train: Path, test: Path, settings: FewShotSettings, out: Path, columns: Columns
) -> Iterator[Table | str]:
    if settings.needs_model:
        require_model(model)  # before a task is read
    pool, held_out = (read_task(path, columns=columns) for path in (train, test))
    strategy, seed = provenance(model)
    with working("few-shot", unit="measurement") as work:
        rows = run_fewshot(
            model,
            pool,
            held_out,
            settings,
            strategy=strategy,
            pretraining_seed=seed,
            out=out,
            progress=lambda done, total, what: work.show(done, total=total, status=what),
        )
    everything = summary_of(out)
    shown = everything["model"].isin([str(model), NO_MODEL])  # another model is not a replicate of this one
    summary = everything[shown]
    guesses = {pool.name: commonest(held_out)}
    yield fewshot_table(summary, "\n".join(captions(summary, guesses)))
    if rows["method"].isin(PRETRAINED).any():
        floors = against_floors(rows, guesses)
        yield from floor_table(floors)
        yield floor_sentence(floors)
    yield from _leaks(model, rows, pool, held_out, out)
    if n_others := everything[~shown]["model"].nunique():
        yield f"not shown: {counted(n_others, 'other model')} measured in this folder; see {out / 'summary.csv'}."
    for name in ("fewshot.svg", "fewshot.png"):
        fewshot_curves(summary, out / name)
    yield f"{counted(len(rows), 'measurement')}: {out / 'results.csv'}; picture: {out / 'fewshot.png'}"


def _leaks(model: Path, rows: pd.DataFrame, pool: LabelledTask, test: LabelledTask, out: Path) -> Iterator[Table | str]:
    """Which test sequences the model may have seen, and the scores without them."""
    in_pool = leaks_in_pool(test.sequences, pool.sequences)
    in_pretraining = seen_by_model(model, test.sequences)
    yield in_pool.sentence("the training pool")
    yield in_pretraining.sentence
    leaked = in_pool.found if in_pretraining.leaks is None else in_pool.found | in_pretraining.leaks.found
    if leaked.any():
        cells = [Cell(*row) for row in rows[list(Cell._fields)].itertuples(index=False, name=None)]
        correct = CorrectFile(out).of(cells, len(leaked))
        scores = accuracy_by_leak(correct, leaked)
        yield leak_table(scores, len(leaked), int(leaked.sum()), n_unknown=len(cells) - len(correct))


def provenance(model: Path) -> tuple[str, int]:
    """Strategy and seed of the run that a model folder belongs to; ("unknown", -1) for a model from elsewhere."""
    run = run_of(model)
    if run is None:
        return "unknown", -1
    recipe, _ = read_config(run)
    return recipe.masking.strategy, recipe.training.seed
