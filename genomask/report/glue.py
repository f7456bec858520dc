"""GLUE's scores, from the rows of results.csv: a table, and a picture of every task beside its floors.

Rows: task, split, metric, method (`seed N`, or a floor), n, score.
"""

from pathlib import Path

import pandas as pd
from rich.table import Table

from genomask.errors import counted
from genomask.report.style import HUES, MUTED, picture
from genomask.report.tables import rich_table

MODEL = "model"
FLOOR_MARKS = {"majority": "|", "bag-of-words": "d"}


def glue_frame(results: pd.DataFrame) -> pd.DataFrame:
    """One row for each task, split and metric, with the mean and range over seeds; last, the mean over tasks.

    There, a task counts with the plain mean of its metrics and splits, as in GLUE.
    """
    seeds = results["method"].str.startswith("seed ")
    named = results.assign(method=results["method"].where(~seeds, MODEL))
    keys = ["task", "split", "metric"]
    columns = [*FLOOR_MARKS, MODEL]
    means = named.pivot_table("score", keys, "method", sort=False)[columns]
    spread = results[seeds].groupby(keys, sort=False)["score"].agg(["min", "max", "count"])
    counts = results.groupby(keys, sort=False)["n"].first()
    rows = [
        {
            **dict(zip(keys, key, strict=True)),
            "examples": f"{counts[key]:,}",
            **{name: f"{100 * means.loc[key, name]:.1f}" for name in columns},
            "over seeds": _range(100 * spread.loc[key, "min"], 100 * spread.loc[key, "max"], spread.loc[key, "count"]),
        }
        for key in means.index
    ]
    average = means.groupby(level="task", sort=False).mean().mean()
    last = {"task": "mean of tasks", "split": "", "metric": "", "examples": "", "over seeds": ""}
    return pd.DataFrame([*rows, last | {name: f"{100 * average[name]:.1f}" for name in columns}])


def _range(least: float, most: float, seeds: int) -> str:
    return "one seed" if seeds == 1 else f"{least:.1f} to {most:.1f}"


def glue_words(results: pd.DataFrame) -> str:
    """On which tasks the model is above both floors and where one of them is as good, in a sentence or two."""
    is_floor = results["method"].isin(FLOOR_MARKS)
    named = results.assign(method=results["method"].where(is_floor, MODEL))
    scores = 100 * named.pivot_table("score", "task", "method", sort=False)  # plain means of metrics and splits
    best, floor = scores[[*FLOOR_MARKS]].max(axis=1), scores[[*FLOOR_MARKS]].idxmax(axis=1)
    wins = [task for task in scores.index if scores.loc[task, MODEL] <= best[task]]
    said = f"The model is above both floors on {len(scores) - len(wins)} of {counted(len(scores), 'task')}"
    if not wins:
        return f"{said}."
    lost = ", ".join(f"{task} ({floor[task]} {best[task]:.1f}, model {scores.loc[task, MODEL]:.1f})" for task in wins)
    return f"{said}. A floor that needs no pretraining is as good or better on {lost}."


def glue_table(results: pd.DataFrame) -> Table:
    """The frame for the terminal."""
    return rich_table(glue_frame(results), "GLUE, x 100, on the dev sets")


def glue_picture(results: pd.DataFrame, path: Path) -> None:
    """A line for each task, split and metric: one dot per seed, and the floors."""
    keys = results[["task", "split", "metric"]].drop_duplicates().reset_index(drop=True)
    with picture(path, 6.4, 1.3 + 0.32 * len(keys)) as figure:
        axes = figure.subplots()
        for place, key in keys.iterrows():
            rows = results[(results[list(keys)] == key).all(axis=1)]
            for name, mark in FLOOR_MARKS.items():
                floor = 100 * rows.loc[rows["method"] == name, "score"]
                size = 14 if mark == "|" else 8  # seen above and below whatever lies on it
                axes.plot(floor, [place] * len(floor), mark, color=MUTED, markersize=size, label=name, linestyle="none")
            scores = 100 * rows.loc[~rows["method"].isin(FLOOR_MARKS), "score"]
            axes.plot(scores, [place] * len(scores), "o", color=HUES["blue"], alpha=0.7, label="fine-tuned, a seed")
        names = [f"{key.task} {key.split.removeprefix('dev').strip('_')} {key.metric}" for key in keys.itertuples()]
        axes.set_yticks(range(len(keys)), [" ".join(name.split()) for name in names])
        axes.set_ylim(len(keys) - 0.5, -0.5)  # the first on top, and no mark cut by the frame
        axes.set(title="GLUE, dev sets", xlabel="score x 100")
        handles, labels = axes.get_legend_handles_labels()
        first = dict(reversed(list(zip(labels, handles, strict=True))))
        figure.legend(first.values(), first.keys(), loc="outside lower center", ncols=3)
