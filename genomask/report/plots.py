"""Pictures of runs and comparisons: plain frames in, one .svg, .png or .pdf file out.

`learning_curves` reads the rows of metrics.jsonl, `fewshot_curves` those of summary.csv, `verdict_forest` one row per
arm of a comparison. A strategy has the same colour in all of them; methods differ by marker and dash as well.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from genomask.fewshot.methods import METHODS
from genomask.report.frames import over_seeds, verdict_words
from genomask.report.short_names import BESIDE_A_PANEL, IN_A_LEGEND, short_label, short_labels
from genomask.report.style import INK, MUTED, PAPER, grow_beside, label_lines, legend_below, picture, strategy_colours

TRAINED_LOSS, HELD_OUT_LOSS = "loss_nats_per_masked_token", "eval_loss_nats_per_masked_token"
BITS = "eval_bits_per_hidden_base"
LOSS_BASELINES = {"ln_vocabulary_nats": "ln V", "unigram_entropy_nats": "unigrams", "flank_floor_nats": "flank floor"}
BITS_BASELINES = {"order_0_bits": "order-0", "order_5_bits": "order-5"}
LINES = (
    ("held out", {"color": MUTED, "marker": "o", "markersize": 3.2}),
    ("in training", {"color": MUTED, "alpha": 0.5, "linewidth": 0.9}),
)
"""What a line is, in legends."""
LONGEST_TASK = 20
"""Most letters of its name above a panel."""
STRIP = 3.6
"""Inches of a forest between its names and its words."""


def learning_curves(
    runs: Mapping[str, pd.DataFrame], path: Path, baselines: Mapping[str, Mapping[str, float | None]] | None = None
) -> None:
    """Token loss and bits per hidden base by step, beside their baselines.

    `runs` maps a name to the rows of that run's metrics.jsonl, `baselines` the same name to its baselines by field.
    Names that share the part before a slash (`genemask/seed 1`) are one strategy: one colour, one legend entry.
    """
    colours = strategy_colours(_strategy(name) for name in runs)
    width = 1.8 if len(runs) == len(colours) else 1.1
    shows_bits = any(len(_rows_with(frame, BITS)) for frame in runs.values())
    with picture(path, 8.6 if shows_bits else 5.6, 3.25) as figure:
        panels = figure.subplots(1, 2 if shows_bits else 1, squeeze=False, sharex=True)[0]
        for name, frame in runs.items():
            colour = colours[_strategy(name)]
            trained = block_means(frame, TRAINED_LOSS)
            panels[0].plot(trained["step"], trained[TRAINED_LOSS], color=colour, alpha=0.35, linewidth=0.9)
            for axes, metric in zip(panels, (HELD_OUT_LOSS, BITS), strict=False):
                held_out = _rows_with(frame, metric)
                axes.plot(held_out["step"], held_out[metric], "o-", color=colour, markersize=3.2, linewidth=width)
        dress(panels[0], "Loss under the run's own mask", "nats per masked token")
        _draw_baselines(panels[0], baselines or {}, LOSS_BASELINES, colours)
        if shows_bits:
            dress(panels[1], "Evaluation masks, the same for all", "bits per hidden base")
            _draw_baselines(panels[1], baselines or {}, BITS_BASELINES, colours)
        labels = short_labels(colours, IN_A_LEGEND)
        legend_below(figure, [*((labels[name], {"color": colour}) for name, colour in colours.items()), *LINES])


def fewshot_curves(summary: pd.DataFrame, path: Path) -> None:
    """Accuracy by examples per class from the rows of summary.csv, one panel per task, a bar for each interval.

    Several pretraining seeds of a strategy become one curve (`frames.over_seeds`); floors are black or grey.
    """
    table = over_seeds(summary)
    floor = table["method"].str.replace("/", ", ")
    strategy = table["strategy"].map(short_labels(table["strategy"], IN_A_LEGEND))
    table["curve"] = floor.where(table["strategy"] == "-", strategy + ", " + table["method"])
    curves, tasks = _curve_marks(table), list(dict.fromkeys(table["task"]))
    with picture(path, max(6.4, 3.4 * len(tasks)), 3.4) as figure:
        for axes, task in zip(figure.subplots(1, len(tasks), squeeze=False)[0], tasks, strict=True):
            rows = table[table["task"] == task]
            shots = sorted(rows["shot"].unique())
            for shift, (curve, marks) in zip(_dodges(len(curves), len(shots)), curves.items(), strict=True):
                mine = rows[rows["curve"] == curve].sort_values("shot")
                at = np.searchsorted(shots, mine["shot"]) + shift
                mean, half = 100 * mine["accuracy"], 100 * mine["half_width"]
                axes.plot(at, mean, clip_on=False, **marks)
                axes.vlines(at, mean - half, mean + half, color=marks["color"], linewidth=1.4, alpha=0.8)
            axes.set(
                title=f"task {short_label(task, LONGEST_TASK)}",
                xlabel="examples of each class",
                xticks=range(len(shots)),
                xticklabels=shots,
            )
            axes.set_xlim(-0.4, len(shots) - 0.6)
            axes.set_ylabel(f"accuracy, % (axis from {_end_at_ticks(axes):g})")
        legend_below(figure, list(curves.items()))


def verdict_forest(
    verdict: pd.DataFrame, seed_differences: Mapping[str, Sequence[float]], path: Path, control: str
) -> None:
    """Each arm's difference from the control in points of accuracy: dot, 95 % interval, and a ring for every seed.

    `verdict` has one row per arm, as `fewshot.statistics.compare_arms` makes it (fractions); `seed_differences` the
    same arm's difference at each pretraining seed. An arm that was not tested has a tick at its mean and no interval.
    """
    names = [control, *verdict["strategy"]]
    colours, labels = strategy_colours(names), short_labels(names, BESIDE_A_PANEL)
    with picture(path, STRIP, 1.35 + 0.5 * len(verdict)) as figure:
        axes = figure.subplots()
        axes.axvline(0, color=INK, linewidth=1)
        for at, (_, row) in enumerate(verdict.iterrows()):
            colour, mean, half = colours[row["strategy"]], 100 * row["difference"], 100 * row["half_width"]
            if np.isfinite(half):
                axes.plot([mean - half, mean + half], [at, at], color=colour, linewidth=2.4, solid_capstyle="butt")
            axes.plot(mean, at, "o" if np.isfinite(half) else "|", color=colour, markersize=8, markeredgewidth=2)
            seeds = 100 * np.asarray(seed_differences.get(row["strategy"], ()), dtype=float)
            axes.plot(seeds, np.full(len(seeds), at + 0.26), "o", color=colour, markerfacecolor=PAPER, markersize=4.5)
            axes.text(1.02, at, verdict_words(row), transform=axes.get_yaxis_transform(), va="center", fontsize=8.5)
        axes.set_yticks(range(len(verdict)), [labels[name] for name in verdict["strategy"]])
        axes.set_ylim(len(verdict) - 0.4, -0.5)
        axes.set_xlabel(
            f"points of accuracy above {labels[control]}\nrings: single pretraining seeds\n"
            "interval of each arm alone, not adjusted; p after Holm"
        )
        grow_beside(figure, (axes.get_yticklabels(), axes.texts))
        axes.grid(axis="x")
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        axes.margins(x=0.08)


def _rows_with(frame: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The rows that measured `metric`; none where no row did."""
    return frame.reindex(columns=["step", metric]).dropna()


def block_means(frame: pd.DataFrame, metric: str, blocks: int = 150) -> pd.DataFrame:
    """At most `blocks` points of a noisy metric, each the mean of as many neighbours."""
    rows = _rows_with(frame, metric)
    return rows.groupby(np.arange(len(rows)) * blocks // max(len(rows), blocks)).mean()


def dress(axes: Axes, title: str, unit: str) -> None:
    """Title, unit and whole steps."""
    axes.set(title=title, ylabel=unit, xlabel="step")
    axes.margins(x=0.02)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))  # there is no step 2.5


def _draw_baselines(
    axes: Axes,
    baselines: Mapping[str, Mapping[str, float | None]],
    names: Mapping[str, str],
    colours: Mapping[str, str],
) -> None:
    """A dashed line for each baseline: the mean of all runs, except the flank floor, which belongs to the strategy."""
    labels = []
    for field, label in names.items():
        heights = {run: height for run, known in baselines.items() if (height := known.get(field)) is not None}
        if field == "flank_floor_nats" and len(colours) > 1:
            lines = {colours[_strategy(run)]: height for run, height in heights.items()}
        else:
            lines = {MUTED: float(np.mean(list(heights.values())))} if heights else {}
        for colour, height in lines.items():
            axes.axhline(height, color=colour, linewidth=1, linestyle=(0, (5, 3)), zorder=1)
            labels.append((height, f"{label} {height:.3f}", colour))
    axes.autoscale_view()
    label_lines(axes, labels)


def _strategy(run: str) -> str:
    return run.rpartition("/seed ")[0] or run


def _curve_marks(table: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Label -> colour, marker and dash of each curve, in the table's order."""
    colours = strategy_colours(table["strategy"][table["strategy"] != "-"])
    marks = {}
    for row in table.drop_duplicates("curve").itertuples():
        method = METHODS[row.method]
        colour = colours.get(row.strategy) or (MUTED if method.needs_model else INK)
        marks[row.curve] = dict(zip(("color", "marker", "linestyle"), (colour, *method.mark), strict=True))
    return marks


def _dodges(n: int, shots: int) -> np.ndarray:
    """Small sideways shifts, so that the bars of curves at one shot do not cover each other."""
    return np.linspace(-1, 1, n) * min(0.14, 0.03 * shots) if n > 1 else np.zeros(1)


def _end_at_ticks(axes: Axes) -> float:
    """Let the y axis begin and end at a numbered tick; returns where it begins."""
    axes.margins(y=0)
    ticks = axes.yaxis.get_major_locator().tick_values(*axes.get_ylim())  # they reach beyond both ends
    axes.set_ylim(ticks[0], ticks[-1])
    return axes.get_ylim()[0]
