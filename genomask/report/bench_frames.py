"""Models on the tasks of a suite: rows of results.csv in, one table of short texts out."""

from collections.abc import Iterator, Mapping

import pandas as pd

from genomask.errors import counted
from genomask.fewshot.methods import METHODS, PRETRAINED
from genomask.fewshot.results import NO_MODEL
from genomask.fewshot.statistics import mean_interval
from genomask.report.floor_words import NO_FLOOR
from genomask.report.frames import plus_minus
from genomask.report.short_names import short_names

CAPTION = (
    "One training set, the published one. Plus or minus: 95 % t interval over training seeds, for methods that have "
    "one; the sampling error of the test set comes on top, even where a floor counts as passed."
)


def bench_frame(results: pd.DataFrame, metrics: Mapping[str, str]) -> pd.DataFrame:
    """One row per task and model, one column per method, cheapest first; floors without a model are in every row.

    `metrics`: task -> the column of `results` that is shown for it.
    """
    methods = sorted(set(results["method"]), key=lambda name: METHODS[name].cost)
    models = [model for model in dict.fromkeys(results["model"]) if model != NO_MODEL]
    names = short_names(models) or {NO_MODEL: "-"}
    table = []
    for task, rows in results.groupby("task", sort=False):
        metric = metrics[str(task)]
        for model, name in names.items():
            own = rows[rows["model"].isin([model, NO_MODEL])]
            cells = {method: _cell(own.loc[own["method"] == method, metric]) for method in methods}
            table.append(
                {"task": task, "metric": metric, "train": f"{rows['n_train'].iloc[0]:,}", "model": name} | cells
            )
    return pd.DataFrame(table)


def floor_counts(results: pd.DataFrame, metrics: Mapping[str, str]) -> Iterator[str]:
    """One sentence per model: on how many tasks each of its methods is above every floor, by the tasks' own metrics."""
    scores = results.assign(score=[row[metrics[row["task"]]] for _, row in results.iterrows()])
    groups = scores.groupby(["model", "task", "method"], sort=False)["score"]
    means = groups.mean().reset_index().assign(least=[_least(group) for _, group in groups])
    models = [model for model in dict.fromkeys(means["model"]) if model != NO_MODEL]
    for model, name in short_names(models).items() if models else ():
        own = means[means["model"].isin([model, NO_MODEL])]
        is_floor = ~own["method"].isin(PRETRAINED)
        if not is_floor.any():
            yield f"{name}: {NO_FLOOR}"
            continue
        best = own[is_floor].groupby("task")["score"].max()
        floors = own["task"].map(best)
        above = own.assign(above=own["score"] > floors, shown=own["least"] > floors)[~is_floor]
        said = [_above(str(method), rows) for method, rows in above.groupby("method", sort=False)]
        yield f"{name} is above every floor {', '.join(said)}."


def _above(method: str, rows: pd.DataFrame) -> str:
    """`on 5 of 6 tasks with finetune (on 3 with its whole interval)`; without an interval, only the first part."""
    said = f"on {rows['above'].sum()} of {counted(len(rows), 'task')} with {method}"
    has_interval = rows["least"].notna().any() and rows["above"].any()
    return f"{said} (on {rows['shown'].sum()} with its whole interval)" if has_interval else said


def _least(scores: pd.Series) -> float:
    """The lower end of the interval; NaN where there is none."""
    interval = mean_interval(scores)
    return interval.mean - interval.half_width


def _cell(scores: pd.Series) -> str:
    interval = mean_interval(scores)
    return plus_minus(interval.mean, interval.half_width)
