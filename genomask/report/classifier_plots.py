"""Pictures of a fine-tuned classifier: its losses by step, and its answers beside the truth.

Letters: N examples, C classes.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from genomask.report.plots import block_means, dress
from genomask.report.short_names import BESIDE_A_PANEL, short_label, short_labels
from genomask.report.style import HUES, INK, MUTED, PAPER, picture

MOST_NAMED = 40
"""Classes whose names fit beside a matrix."""
MOST_WRITTEN = 12
"""Columns whose numbers fit into the cells."""
DARK = 0.85
"""Fraction of a row: above it, white has more contrast than ink on the cell's blue (WCAG's ratio); below, ink has."""
SAID = ("yes, predicted yes", "yes, predicted no", "no, predicted yes", "no, predicted no")
"""The possible answers on a label that a sequence has or lacks."""


def loss_curves(rows: pd.DataFrame, trained: str, held_out: str, guessed: float, path: Path) -> None:
    """The loss in training, on --valid where it was scored, and of a constant guess, from the rows of metrics.jsonl."""
    with picture(path, 5.6, 3.4) as figure:
        axes = figure.subplots()
        means = block_means(rows, trained)
        axes.plot(means["step"], means[trained], color=HUES["blue"], alpha=0.5, linewidth=1, label="in training")
        if held_out in rows:
            scored = rows[["step", held_out]].dropna()
            best = scored.loc[scored[held_out].idxmin()]
            axes.plot(
                scored["step"], scored[held_out], "o-", color=HUES["vermilion"], markersize=3.2, label="on --valid"
            )
            axes.plot(best["step"], best[held_out], "o", color=HUES["vermilion"], markersize=8, label="kept")
        axes.axhline(guessed, color=MUTED, linewidth=1, linestyle="--", zorder=1, label="constant guess")
        dress(axes, "Loss", trained.removeprefix("loss_").replace("_", " "))
        axes.legend()


def answers(
    truth: np.ndarray, figures: np.ndarray, classes: list[str], path: Path, where: str, *, several: bool
) -> None:
    """How often each class was predicted as which: truth (N,) or, with `several` labels, (N, C) against (N, C)."""
    if several:
        said = figures >= 0.5
        has = truth.astype(bool)
        cells = [has & said, has & ~said, ~has & said, ~has & ~said]
        counts, columns = np.stack([cell.sum(axis=0) for cell in cells], axis=1), list(SAID)
    else:
        counts, columns = np.zeros((len(classes), len(classes)), dtype=np.int64), classes
        np.add.at(counts, (truth, figures.argmax(axis=1)), 1)
    size = 1.6 + 0.42 * min(len(classes), MOST_NAMED)
    with picture(path, 2.4 + max(2.0, 0.6 * min(len(columns), MOST_NAMED)), max(2.4, size)) as figure:
        axes = figure.subplots()
        _matrix(axes, counts, classes, columns)
        axes.set(title=f"Answers on {where}", ylabel="label", xlabel="has it?" if several else "predicted")


def predictions(truth: np.ndarray, said: np.ndarray, name: str, path: Path, where: str) -> None:
    """Predicted numbers (N,) against the true ones, with the line of equality."""
    with picture(path, 4.4, 4.2) as figure:
        axes = figure.subplots()
        low, high = min(truth.min(), said.min()), max(truth.max(), said.max())
        axes.plot([low, high], [low, high], color=MUTED, linewidth=1)
        alpha = float(np.clip(30 / len(truth) ** 0.5, 0.05, 0.8))
        axes.plot(truth, said, "o", color=HUES["blue"], markersize=3, alpha=alpha, markeredgewidth=0, rasterized=True)
        name = short_label(name, BESIDE_A_PANEL)
        axes.set(title=f"Answers on {where}", xlabel=f"true {name}", ylabel=f"predicted {name}")


def _matrix(axes: Axes, counts: np.ndarray, rows: list[str], columns: list[str]) -> None:
    """Counts as fractions of their row, in colour; written where there is room."""
    fractions = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    shades = LinearSegmentedColormap.from_list("", [PAPER, HUES["blue"]])
    axes.imshow(fractions, cmap=shades, vmin=0, vmax=1, aspect="auto")
    axes.grid(visible=False)
    if len(columns) <= MOST_WRITTEN and len(rows) <= MOST_NAMED:
        for (row, column), count in np.ndenumerate(counts):
            colour = PAPER if fractions[row, column] > DARK else INK
            axes.text(column, row, f"{count:,}", ha="center", va="center", color=colour, fontsize=8)
    names = {"x": columns, "y": rows}
    for side, texts in names.items():
        labels = short_labels(texts, BESIDE_A_PANEL)
        shown = [labels[text] for text in texts] if len(texts) <= MOST_NAMED else []
        axes.set(**{f"{side}ticks": range(len(shown)), f"{side}ticklabels": shown})
    if max(map(len, columns)) > 3:
        looks: dict[str, Any] = {"ha": "right", "va": "center", "rotation_mode": "anchor"}  # each ends at its tick
        for label in axes.get_xticklabels():
            label.set(rotation=90 if len(columns) > MOST_WRITTEN else 45, **looks)
