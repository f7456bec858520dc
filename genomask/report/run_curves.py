"""Several pretraining runs in one picture: their rows of metrics.jsonl in, a .svg, .png or .pdf file out.

Loss under the run's own mask and, for genomes, bits per hidden base, each over steps, tokens and seconds of training.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, MaxNLocator

from genomask.report.plots import BITS, HELD_OUT_LOSS, LINES, TRAINED_LOSS
from genomask.report.short_names import IN_A_LEGEND, short_labels
from genomask.report.style import legend_below, picture, strategy_colours

TITLE = "genomask runs"
"""In the file's metadata: `genomask runs` recognises its own pictures by it."""
OVER = {"step": "steps", "tokens": "tokens", "seconds": "seconds of training"}
DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), ":")
"""Of the first, second and third run of a colour."""
MOST_POINTS = 150


def with_seconds(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The rows of a metrics.jsonl, those of evaluations too, with `tokens` and `seconds` in each.

    Seconds are those of training, from the tokens and the speed of each logged row: evaluations, checkpoints and the
    time between a stop and a resumption do not count.
    """
    frame = pd.DataFrame(rows).astype(float).sort_values("step", kind="stable", ignore_index=True)
    frame = frame.reindex(columns=frame.columns.union(["tokens", "tokens_per_second"], sort=False))
    logged = frame.dropna(subset=["tokens", "tokens_per_second"])
    logged = logged[logged["tokens_per_second"] > 0]
    seconds = (logged["tokens"].diff().fillna(logged["tokens"]) / logged["tokens_per_second"]).cumsum()
    for name, known in (("tokens", logged["tokens"]), ("seconds", seconds)):
        frame[name] = np.interp(frame["step"], np.append(0, logged["step"]), np.append(0, known))
    return frame


def run_curves(runs: Mapping[str, pd.DataFrame], strategies: Mapping[str, str], path: Path) -> None:
    """Draw the curves of `runs`: name -> the frame that `with_seconds` makes of its rows.

    Strategies keep their colours, as in every picture, unless one has more runs than there are dashes; then each run
    has its own.
    """
    shows_bits = any(BITS in frame and frame[BITS].notna().any() for frame in runs.values())
    units = {HELD_OUT_LOSS: "nats per masked token"} | ({BITS: "bits per hidden base"} if shows_bits else {})
    looks = _looks(strategies)
    with picture(path, 10.4, 0.5 + 2.7 * len(units), title=TITLE) as figure:
        panels = figure.subplots(len(units), 3, squeeze=False, sharey="row", sharex="col")
        for row, (metric, unit) in zip(panels, units.items(), strict=True):
            for axes, (over, label) in zip(row, OVER.items(), strict=True):
                for name, frame in runs.items():
                    if metric == HELD_OUT_LOSS:
                        _draw(axes, frame, over, TRAINED_LOSS, **looks[name], alpha=0.35, linewidth=0.9)
                    _draw(axes, frame, over, metric, **looks[name], marker="o", markersize=3, linewidth=1.4)
                axes.margins(x=0.02)
                axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, min_n_ticks=1))
                axes.xaxis.set_major_formatter(EngFormatter(sep=""))
                if metric == list(units)[-1]:
                    axes.set_xlabel(label)
            row[0].set_ylabel(unit)
            row[0].set_title(
                "Loss under the run's own mask" if metric == HELD_OUT_LOSS else "Evaluation masks, the same for all"
            )
        labels = short_labels(looks, IN_A_LEGEND)
        legend_below(figure, [*((labels[name], look) for name, look in looks.items()), *LINES])


def _looks(strategies: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Colour and dash of each run."""
    owners = strategies
    if max(Counter(owners.values()).values()) > len(DASHES):
        owners = {name: name for name in strategies}
    colours, seen = strategy_colours(owners.values()), Counter[str]()
    looks = {}
    for name, owner in owners.items():
        colour = colours[owner]
        looks[name] = {"color": colour, "linestyle": DASHES[seen[colour] % len(DASHES)]}
        seen[colour] += 1
    return looks


def _draw(axes: Axes, frame: pd.DataFrame, over: str, metric: str, **look: Any) -> None:
    """A line of at most MOST_POINTS points, each the mean of as many neighbours."""
    rows = frame.reindex(columns=[over, metric]).dropna()
    blocks = rows.groupby(np.arange(len(rows)) * MOST_POINTS // max(len(rows), MOST_POINTS)).mean()
    axes.plot(blocks[over], blocks[metric], **look)
