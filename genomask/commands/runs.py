"""`genomask runs`: folders of pretraining runs in; a table of their last scores, and a picture of their curves, out."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from rich.table import Table

from genomask.commands.run_folder.folder import CONFIG, is_finished
from genomask.errors import DataError, counted
from genomask.files.outputs import require_own, require_writable, writing
from genomask.report.meaning import LAST, LOSS, is_evaluation, last_scores
from genomask.report.plots import BITS
from genomask.report.run_curves import TITLE, run_curves, with_seconds
from genomask.report.short_names import short_names
from genomask.report.style import has_title
from genomask.report.tables import rich_table
from genomask.terminal.console import Line
from genomask.training.metrics_log import parse_metrics

METRICS = "metrics.jsonl"
PICTURES = (".svg", ".png")


class Run(NamedTuple):
    """A run, as its folder records it."""

    folder: Path
    strategy: str
    seed: int
    rows: pd.DataFrame
    """As `with_seconds` makes them."""
    remark: str
    """A caveat to print, if any."""


def show_runs(folders: Sequence[Path], out: Path) -> Iterator[Table | str]:
    """Yield the table, and a sentence for each run that is bad or unfinished; then draw `out`.svg and `out`.png.

    A folder that is not a run stands for the runs within it. Raises UserError if no run has a logged step.
    """
    stem = out.with_suffix("") if out.suffix in PICTURES else out
    pictures = [stem.with_name(stem.name + kind) for kind in PICTURES]
    for path in pictures:
        require_writable(path, "--out", [])
        require_own(path, "--out", lambda path: has_title(path, TITLE), "a picture that genomask runs drew")
    runs, bad = [], []
    for folder in _run_folders(folders):
        try:
            runs.append(_read(folder))
        except DataError as error:
            bad.append(str(error))
    if not runs:
        raise DataError(bad[0] + (f" The same goes for {len(bad) - 1:,} more." if len(bad) > 1 else ""))
    names = short_names([str(run.folder.resolve()) for run in runs])
    named = dict(zip(names.values(), runs, strict=True))
    yield rich_table(
        runs_frame(named),
        caption=f"Scores: mean of the last {LAST} evaluations (or of all, if fewer) on held-out sequences. "
        "Losses under different masks are different tasks; bits are under the same masks for all.",
    )
    yield from (Line(said) for said in (*(run.remark for run in runs if run.remark), *bad))
    rows = {name: run.rows for name, run in named.items()}
    strategies = {name: run.strategy for name, run in named.items()}
    for path in pictures:
        with writing(path, "--out"):
            run_curves(rows, strategies, path)
    yield Line(f"picture: {pictures[0]}, {pictures[1]}")


def runs_frame(runs: Mapping[str, Run]) -> pd.DataFrame:
    """A row per run."""
    return pd.DataFrame([{"run": name} | _row(run) for name, run in runs.items()])


def _row(run: Run) -> dict[str, str]:
    last = run.rows.iloc[-1]
    rows = [row for row in run.rows.to_dict("records") if is_evaluation(row)]
    scores = last_scores(rows).mean if rows else pd.Series(dtype=float)
    return {
        "strategy": run.strategy,
        "seed": str(run.seed),
        "steps": f"{int(last['step']):,}",
        "tokens": f"{last['tokens']:,.0f}",
        "tokens/s": f"{last['tokens'] / last['seconds']:,.0f}" if last["seconds"] > 0 else "",
        "loss, nats": _score(scores, LOSS, 3),
        "bits": _score(scores, BITS, 4),
    }


def _score(scores: pd.Series, name: str, digits: int) -> str:
    value = scores.get(name)
    return f"{value:.{digits}f}" if value is not None and pd.notna(value) else ""


def _run_folders(folders: Sequence[Path]) -> list[Path]:
    """Each run once, in the order asked for, under the first of its paths."""
    found: dict[Path, Path] = {}
    for folder in folders:
        inside = [folder] if (folder / CONFIG).exists() else sorted(path.parent for path in folder.rglob(CONFIG))
        if not inside:
            raise DataError(f"{folder}: no run here or in its subfolders (no {CONFIG}); give the --out of a pretrain.")
        for path in inside:
            found.setdefault(path.resolve(), path)
    return list(found.values())


def _read(folder: Path) -> Run:
    strategy, seed, asked = _settings(folder / CONFIG)
    try:
        rows, damaged = parse_metrics(folder / METRICS)
    except OSError as error:
        raise DataError(f"{folder / METRICS} cannot be read ({error.strerror}).") from error
    if not rows:
        raise DataError(f"{folder}: no step is logged yet, so there is nothing to draw.")
    done = rows[-1]["step"]
    said = []
    if done < asked or not is_finished(folder):
        said.append(f"not finished, {done:,} of {counted(asked, 'step')} logged")
    if damaged:
        said.append(f"left out: {counted(len(damaged), 'damaged line')} of {METRICS}")
    remark = f"{folder}: {'; '.join(said)}." if said else ""
    return Run(folder, strategy, seed, with_seconds(rows), remark)


def _settings(config: Path) -> tuple[str, int, int]:
    """Strategy, seed and steps; also of earlier versions, whose other settings may have had other names."""
    try:
        tables = tomllib.loads(config.read_text(encoding="utf-8"))
        strategy, training = tables["masking"]["strategy"], tables["training"]
        seed, steps = training["seed"], training["steps"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise DataError(f"{config}: not the settings of a run ({error}), so it is not drawn.") from error
    if not (isinstance(strategy, str) and type(seed) is type(steps) is int):
        raise DataError(f"{config}: not the settings of a run (of another type), so it is not drawn.")
    return strategy, seed, steps
