"""One self-contained page: title, verdict, tables, pictures and settings in, a single HTML file out.

The page needs no script and loads nothing from outside. Pictures are inlined as SVG, their colours replaced by the
page's CSS variables, so that they follow light and dark mode. All text is escaped.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from genomask import __version__
from genomask.files.atomic import atomic_write
from genomask.report.style import CSS_NAMES
from genomask.report.tables import is_numeric
from genomask.terminal.console import printable

LEAST_SCALE = 2 / 3
"""Of a picture on a narrow page: its letters would be unreadable if smaller, so it scrolls instead."""


@dataclass(frozen=True, kw_only=True)
class TablePart:
    """A table of a section: `frame` holds what is shown, texts and numbers already in their final form."""

    title: str
    frame: pd.DataFrame
    caption: str = ""

    @property
    def rows(self) -> Iterator[list[tuple[str, object]]]:
        """Each row as (column, value) pairs."""
        return (list(zip(self.frame.columns, row, strict=True)) for row in self.frame.itertuples(index=False))

    def is_numeric(self, column: str) -> bool:
        """True where the column is set to the right."""
        return is_numeric(self.frame[column])


@dataclass(frozen=True, kw_only=True)
class PicturePart:
    """A picture of a section, from a file that `plots` saved as .svg."""

    svg: Path
    title: str
    alt: str
    """What the picture shows, in words, for those who cannot see it."""
    caption: str = ""

    @property
    def inline_svg(self) -> Markup:
        """The picture as it stands in the page."""
        return inline_svg(self.svg.read_text(encoding="utf-8"), self.svg.stem, self.title, self.alt)


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading, some sentences, and tables and pictures below them."""

    title: str
    parts: tuple[TablePart | PicturePart, ...]
    paragraphs: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ReportPage:
    """Everything the page shows, top to bottom."""

    title: str
    verdict: str
    """The result in one sentence."""
    sections: tuple[Section, ...]
    about: str = ""
    """What was compared, on what, in one sentence under the title."""
    settings: Mapping[str, object] = field(default_factory=dict)
    """The resolved settings; tables within are shown as `room.key`."""
    environment: Mapping[str, object] = field(default_factory=dict)
    """Versions and machine."""


def write_page(page: ReportPage, path: Path) -> None:
    """Write the page to `path`, whole or not at all."""
    environment = Environment(
        loader=PackageLoader("genomask.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        finalize=_spelt,
    )
    facts = (("Settings", _flat(page.settings)), ("Environment", _flat(page.environment)))
    template = environment.get_template("page.html.jinja")
    atomic_write(path, template.render(page=page, facts=facts, version=__version__))


def _spelt(value: object) -> object:
    """Texts without control characters; our own markup as it is."""
    return value if isinstance(value, Markup) else printable(str(value), keep="\n")


def _flat(values: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    """Nested tables as dotted names, lists as their parts joined by commas."""
    flat: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return flat


def inline_svg(svg: str, name: str, title: str, alt: str) -> Markup:
    """An SVG file made part of a page: prolog and metadata dropped, ids made unique, colours tied to the page's."""
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{escape(name)}-", svg)
    for colour, variable in CSS_NAMES.items():
        svg = svg.replace(colour, f"var(--{variable}, {colour})")
    head, body = svg.split(">", 1)
    width = re.search(r'\bwidth="([\d.]+)pt"', head)
    least = f' style="min-width: {LEAST_SCALE * float(width[1]):.0f}pt"' if width else ""
    label = (
        f'<title id="{escape(name)}-title">{escape(title)}</title><desc id="{escape(name)}-desc">{escape(alt)}</desc>'
    )
    described = f' role="img" aria-labelledby="{escape(name)}-title {escape(name)}-desc"'
    return Markup(f"{head}{least}{described}>{label}{body}")  # our own SVG; the texts above are escaped
