"""A masked sequence as a picture: bases along x; NPMI, letters, and for each strategy hidden bases above its tokens.

Tokens overlap, so each strategy has k lanes: token i lies in lane i modulo k, a bar over its k bases. A base is hidden
where the bars of every lane are masked, and then its cell above them is solid.

Letters: L bases, T tokens, n boxes.
"""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.legend_handler import HandlerTuple
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline
from matplotlib.transforms import blended_transform_factory

from genomask.report.mask_rows import MaskedSequence, MaskRow
from genomask.report.short_names import BESIDE_A_PANEL, short_label, short_labels
from genomask.report.style import GRID, MUTED, PAPER, has_title, picture, strategy_colours

BASES_A_LINE = 120
FEWEST_A_LINE = 10
"""A shorter sequence leaves the rest of its line blank, because texts beside it are spaced in units of a base."""
WIDTH = 10.0
UNIT = 0.125
"""Inches; all heights below are in this unit."""
HEAT, LETTERS, GAP, CELL, LANE, RULER, FOOT = 1.2, 1.8, 1.0, 1.3, 0.5, 2.2, 4.0
THIN = 0.22
"""A visible token, within its lane."""
TICK = 10
LONGEST_TITLE = 60
"""Most letters above the first line; a record's name may have any number."""
TINT = 0.75
HEAT_COLOURS = "YlGnBu"
TITLE = "genomask masks"
"""In the file's metadata."""


def is_mask_picture(path: Path) -> bool:
    """Whether `mask_picture` wrote a file."""
    return has_title(path, TITLE)


def mask_picture(sequence: MaskedSequence, path: Path) -> None:
    """Save the picture to `path`, in lines of at most 120 bases."""
    n_bases = len(sequence.letters)
    n_lines = -(-n_bases // BASES_A_LINE)
    a_line = max(FEWEST_A_LINE, -(-n_bases // n_lines))
    heights = [_line_height(sequence)] * n_lines + [FOOT]
    heat = _heat_scale(sequence.best_npmi)
    with picture(path, WIDTH, UNIT * (sum(heights) + 3 * n_lines), TITLE) as figure:
        figure.set_layout_engine("constrained", h_pad=UNIT)
        *lines, foot = figure.subplots(n_lines + 1, height_ratios=heights)
        for number, axes in enumerate(lines):
            _draw_line(axes, sequence, number * a_line, a_line, heat)
        lines[0].set_title(short_label(sequence.title, LONGEST_TITLE))
        _draw_legend(figure, foot, list(strategy_colours(row.strategy for row in sequence.rows).values()))
        if heat:
            _draw_scale(foot, heat)


def _line_height(sequence: MaskedSequence) -> float:
    heat = HEAT if len(sequence.best_npmi) else 0.0
    return heat + LETTERS + len(sequence.rows) * _row_height(sequence.k) + RULER


def _row_height(k: int) -> float:
    return GAP + CELL + (max(k, 4) + 1) * LANE  # room for two lines of text beside the lanes


def _heat_scale(npmi: np.ndarray) -> ScalarMappable | None:
    """From NPMI to colour, light to dark; None where no base has one."""
    known = npmi[np.isfinite(npmi)]
    return ScalarMappable(Normalize(known.min(), known.max()), HEAT_COLOURS) if len(known) else None


def _draw_line(axes: Axes, sequence: MaskedSequence, start: int, n: int, heat: ScalarMappable | None) -> None:
    """One line of at most n bases from base `start`: x in bases, y in units downwards."""
    stop = min(start + n, len(sequence.letters))
    axes.set(xlim=(start, start + n), ylim=(_line_height(sequence) - RULER, 0), yticks=[])
    axes.spines[["left", "bottom"]].set_visible(False)
    y = _draw_heat(axes, sequence.best_npmi, start, stop, heat) if heat else 0.0
    size = min(9.0, 7.5 * BASES_A_LINE / n)
    looks: dict[str, Any] = {"ha": "center", "va": "center", "family": "monospace", "fontsize": size}
    for base in range(start, stop):
        axes.text(base + 0.5, y + LETTERS / 2, sequence.letters[base], **looks)
    y += LETTERS
    _draw_ruler(axes, np.arange(sequence.first + start, sequence.first + stop), start, n, y)
    names = [row.strategy for row in sequence.rows]
    colours, labels = strategy_colours(names), short_labels(names, BESIDE_A_PANEL)
    for row in sequence.rows:
        looks = {"color": colours[row.strategy], "ha": "right", "va": "center", "fontweight": "bold"}
        axes.text(start - 1.2, y + GAP + CELL / 2, labels[row.strategy], **looks)
        _draw_row(axes, row, start, stop, y + GAP, colours[row.strategy])
        y += _row_height(sequence.k)


def _draw_ruler(axes: Axes, numbers: np.ndarray, start: int, n: int, y: float) -> None:
    """Numbers above the first base and every tenth, fewer where they would touch; below `y` a line at every tenth."""
    room = (len(f"{numbers[-1]:,}") + 1) * n / BASES_A_LINE
    is_tenth = numbers % TICK == 0
    is_labelled = (numbers % (TICK if room < TICK else 2 * TICK) == 0) & (numbers - numbers[0] >= room)
    is_labelled[0] = True
    at = start + 0.5 + np.arange(len(numbers))
    axes.set_xticks(at[is_labelled], [f"{number:,}" for number in numbers[is_labelled]], fontsize=7.5)
    axes.tick_params(axis="x", length=2, pad=2, top=True, bottom=False, labeltop=True, labelbottom=False)
    axes.grid(visible=False)
    axes.vlines(at[is_tenth], y, axes.get_ylim()[0], color=GRID, linewidth=0.8, zorder=0)


def _draw_heat(axes: Axes, npmi: np.ndarray, start: int, stop: int, heat: ScalarMappable) -> float:
    """The strip of NPMI; a base without one stays blank. Returns its height."""
    steps = start + 1 + np.flatnonzero(np.diff(npmi[start:stop]))  # a k-mer is the best over several bases in a row
    left = np.concatenate([[start], steps])
    low, high = heat.get_clim()
    strip = npmi[None, left]
    axes.pcolormesh([*left, stop], [0, HEAT], strip, cmap=heat.cmap, vmin=low, vmax=high, edgecolors="face")
    axes.text(start - 1.2, HEAT / 2, "NPMI", ha="right", va="center", fontsize=8, color=MUTED)
    return HEAT


def _draw_row(axes: Axes, row: MaskRow, start: int, stop: int, y: float, colour: str) -> None:
    """Cells of hidden bases over k lanes of tokens; beside them, in the first line, what the strategy hides."""
    n_tokens, n_bases = len(row.masked), len(row.hidden)
    k = n_bases - n_tokens + 1
    if start == 0:
        tally = row.shown.account
        counted = (
            f"{tally.tokens_masked} of {tally.tokens} tokens masked\n{tally.bases_hidden} of {tally.bases} bases hidden"
        )
        axes.text(-1.2, y + CELL + 0.5, counted, ha="right", va="top", fontsize=7.5, color=MUTED)
    _fill(axes, np.array([start]), y, stop - start, CELL, GRID)
    _fill(axes, np.arange(start, stop)[row.hidden[start:stop]], y, 1, CELL, colour)

    tokens = np.arange(max(0, start - k + 1), min(stop, n_tokens))
    top = y + CELL + LANE * (0.5 + tokens % k)
    masked = row.masked[tokens]
    _fill(axes, tokens[~masked], top[~masked] + (LANE - THIN) / 2, k, THIN, GRID)
    _fill(axes, tokens[masked], top[masked], k, LANE, _tint(colour))


def _fill(axes: Axes, left: np.ndarray, top: np.ndarray | float, width: float, height: float, colour: str) -> None:
    """Boxes (n,) as one outline of one colour, each a little smaller than its place."""
    x, y = 0.1, 0.14 * height
    corners = np.array([(x, y), (width - x, y), (width - x, height - y), (x, height - y), (x, y)])
    places = np.stack([left, np.broadcast_to(top, len(left))], 1)
    codes = [Outline.MOVETO, Outline.LINETO, Outline.LINETO, Outline.LINETO, Outline.CLOSEPOLY]
    outline = Outline((places[:, None] + corners).reshape(-1, 2), codes * len(left))
    axes.add_patch(PathPatch(outline, facecolor=colour, linewidth=0))


def _tint(colour: str) -> str:
    """The colour of a bar: lighter than a cell's, which should be seen first."""
    red, green, blue = (
        TINT * part + (1 - TINT) * white for part, white in zip(to_rgb(colour), to_rgb(PAPER), strict=True)
    )
    return to_hex((red, green, blue))


def _draw_legend(figure: Figure, axes: Axes, colours: list[str]) -> None:
    """What cells and bars are, in the colours of the strategies shown, from the picture's left edge."""
    axes.set_axis_off()
    points = 72 * UNIT
    keys = {
        "hidden base: every token over it is masked": (CELL * points, colours),
        "visible base": (CELL * points, [GRID]),
        "masked token": (LANE * points, [_tint(colour) for colour in colours]),
        "visible token": (THIN * points, [GRID]),
    }
    handles = [
        tuple(Line2D([], [], linewidth=0.72 * width, color=hue, solid_capstyle="butt") for hue in hues)
        for width, hues in keys.values()
    ]
    edge = blended_transform_factory(figure.transFigure, axes.transAxes)
    looks: dict[str, Any] = {"ncols": 2, "fontsize": 8, "borderaxespad": 0, "handlelength": 4}
    place: dict[str, Any] = {"loc": "center left", "bbox_to_anchor": (0.0, 0.5), "bbox_transform": edge}
    axes.legend(handles, keys, handler_map={tuple: HandlerTuple(ndivide=None, pad=0.2)}, **looks, **place)


def _draw_scale(axes: Axes, heat: ScalarMappable) -> None:
    """The scale of the NPMI, at the right end of the legend."""
    inset = axes.inset_axes((0.66, 0.35, 0.34, 0.25))
    low, high = heat.get_clim()
    ticks = [low, (low + high) / 2, high]
    axes.figure.colorbar(heat, cax=inset, orientation="horizontal", ticks=ticks)
    inset.set_xticks(ticks, [f"{tick:.2f}".replace("-", "\N{MINUS SIGN}") for tick in ticks])
    inset.tick_params(labelsize=7.5, length=2, pad=1.5)
    inset.set_title("highest NPMI of the k-mers over a base", fontsize=8, fontweight="normal", loc="center", pad=3)
