"""How every picture looks: one palette that colour-blind readers can tell apart, one font size, quiet axes.

The first six hues are those of Okabe and Ito (Color Universal Design, 2008), the others were chosen to stay distinct
from them to normal and colour-blind eyes. Each is also a CSS variable of the report page, so that the same picture
follows the reader's light or dark mode.
"""

import logging
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.lines import Line2D
from matplotlib.text import Text

from genomask.errors import UserError, shown
from genomask.files.atomic import atomic_file

log = logging.getLogger(__name__)

TITLE_BYTES, KIND_BYTES = 2**14, 2**10
MOST_COLUMNS = 6
"""Of a legend."""
PAPER, INK, MUTED, GRID = "#ffffff", "#1f2328", "#6b7280", "#e3e6ea"
HUES = {
    "vermilion": "#d55e00",
    "blue": "#0072b2",
    "green": "#009e73",
    "purple": "#cc79a7",
    "orange": "#e69f00",
    "sky": "#56b4e9",
    "violet": "#8133c4",
    "brown": "#7a4518",
    "moss": "#88bb66",
    "wine": "#a3194f",
    "lavender": "#9977ff",
    "navy": "#12355b",
}
CSS_NAMES = {PAPER: "paper", INK: "ink", MUTED: "muted", GRID: "grid"} | {hue: name for name, hue in HUES.items()}
"""Colour in a picture -> the page's CSS variable that stands for it."""

STRATEGY_HUES = {
    "genemask": "vermilion",
    "random-span": "blue",
    "contiguous": "green",
    "genemask-released": "purple",
    "fixed-span": "orange",
    "span": "sky",
    "uniform": "violet",
    "npmi-global": "brown",
    "whole-word": "moss",
    "tilted-span": "navy",
}
"""The hue a strategy keeps from picture to picture; variants, curricula and a user's own share those left over."""

EAST_ASIAN_FONTS = (
    "Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans JP", "Noto Sans SC", "Noto Sans KR", "WenQuanYi Zen Hei",
    "Hiragino Sans", "PingFang SC", "Apple SD Gothic Neo", "Yu Gothic", "Microsoft YaHei", "Malgun Gothic",
)  # fmt: skip
"""Where a machine has one, it draws the letters that the first family lacks."""
_MISSING = re.compile(r"Glyph (\d+) .* missing from font")

_SETTINGS: dict[Any, Any] = {
    "font.sans-serif": ["DejaVu Sans", "Helvetica", "Arial", "sans-serif"],
    "font.monospace": ["DejaVu Sans Mono", "Menlo", "Consolas", "monospace"],
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 9,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "text.parse_math": False,  # a name with $ in it is a name
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "lines.linewidth": 1.8,
    "lines.markersize": 5.5,
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "figure.facecolor": PAPER,
    "axes.facecolor": "none",
    "savefig.dpi": 200,
    "svg.fonttype": "none",
}


def require_picture_name(path: Path) -> None:
    """Raises UserError for an ending that `picture` cannot save."""
    if path.suffix not in (".svg", ".png", ".pdf"):
        raise UserError(f"{path}: a picture is saved as .svg, .png or .pdf; change the name's ending.")


@contextmanager
def picture(path: Path, width: float, height: float, title: str = "") -> Iterator[Figure]:
    """A figure of that many inches; `path` (.svg, .png or .pdf) appears whole when the block ends without an error.

    A `title` is kept in the file's metadata, where `has_title` finds it.
    """
    require_picture_name(path)
    installed = fontManager.get_font_names()
    families = ["sans-serif", *(name for name in EAST_ASIAN_FONTS if name in installed)]
    with mpl.rc_context(_SETTINGS | {"font.family": families, "svg.hashsalt": path.stem}), _missing_letters_said():
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure
        metadata: dict[str, Any] = {"Date": None} if path.suffix == ".svg" else {}
        if title:
            metadata["Title"] = title
        with atomic_file(path) as file:
            figure.savefig(file, format=path.suffix[1:], metadata=metadata)


@contextmanager
def _missing_letters_said() -> Iterator[None]:
    """Say in one sentence which letters no font has, in place of warnings; other warnings pass."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.filterwarnings("always", _MISSING.pattern)
        warnings.filterwarnings("ignore", "constrained_layout not applied")  # numbers of hundreds of digits
        yield
    found = [_MISSING.match(str(warning.message)) for warning in seen]
    for warning, missing in zip(seen, found, strict=True):
        if not missing:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    if letters := "".join(sorted({chr(int(missing[1])) for missing in found if missing})):
        _say_missing(letters)


@cache
def _say_missing(letters: str) -> None:
    """Warn once for all pictures of a command."""
    log.warning(
        f"no font that matplotlib finds here has the letters {shown(letters, 20)}, so pictures show boxes for them "
        "(an .svg only where its viewer has no such font either); install a font of their script, such as Noto "
        f"Sans CJK, and remove {mpl.get_cachedir()}/fontlist-*.json, matplotlib's list of fonts"
    )


def has_title(path: Path, title: str) -> bool:
    """Whether a file is a picture that `picture` wrote with that title: within its first or last TITLE_BYTES."""
    forms = {"<svg": f"<dc:title>{title}</dc:title>", "\x89PNG": f"Title\0{title}", "%PDF": f"/Title ({title})"}
    with path.open("rb") as file:
        start = file.read(TITLE_BYTES).decode("latin-1")
        file.seek(max(0, path.stat().st_size - TITLE_BYTES))
        end = file.read(TITLE_BYTES).decode("latin-1")
    return any(kind in start[:KIND_BYTES] and (form in start or form in end) for kind, form in forms.items())


def strategy_colours(strategies: Iterable[str]) -> dict[str, str]:
    """A colour for each strategy: its own, otherwise the next without an owner, then the next unused in the picture."""
    names = list(dict.fromkeys(strategies))
    own = {name: HUES[STRATEGY_HUES[name]] for name in names if name in STRATEGY_HUES}
    kept = {HUES[hue] for hue in STRATEGY_HUES.values()}
    unused = [hue for hue in HUES.values() if hue not in own.values()]
    free = cycle(sorted(unused, key=kept.__contains__))
    return {name: own.get(name) or next(free) for name in names}


def legend_below(figure: Figure, lines: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    """A legend of (label, look of its line) under the panels; the figure grows by what it takes.

    It has as many columns as there is room for.
    """
    # matplotlib leaves out what begins with _
    handles = [Line2D([], [], **look, label=f" {label}" if label.startswith("_") else label) for label, look in lines]
    for columns in range(min(MOST_COLUMNS, len(handles)), 0, -1):
        legend = figure.legend(handles=handles, loc="outside lower center", ncols=columns)
        box = legend.get_window_extent()
        if box.width <= figure.bbox.width:
            break
        if columns > 1:
            legend.remove()
    width = max(figure.bbox.width, box.width)
    figure.set_size_inches(width / figure.dpi, (figure.bbox.height + box.height) / figure.dpi)


def grow_beside(figure: Figure, sides: Iterable[Iterable[Text]]) -> None:
    """Make the figure wider by the longest text of each side, so that what is between them keeps its width."""
    widths = [max((text.get_window_extent().width for text in side), default=0.0) for side in sides]
    figure.set_figwidth((figure.bbox.width + sum(widths)) / figure.dpi)


def label_lines(axes: Axes, lines: list[tuple[float, str, str]]) -> None:
    """Write each (height, text, colour) in the right margin at its height, pushed apart where texts would overlap."""
    low, high = axes.get_ylim()
    room = 13 / (axes.get_window_extent().height * 72 / axes.figure.dpi)
    at = -1.0
    for height, text, colour in sorted(lines):
        at = max((height - low) / (high - low), at + room)
        axes.text(1.015, at, text, transform=axes.transAxes, va="center", fontsize=8.5, color=colour)
