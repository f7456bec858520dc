"""Tables for the terminal: frames in, rich tables out."""

import re
from copy import copy
from dataclasses import replace
from typing import Literal

import pandas as pd
from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Column, Table
from rich.text import Text

LONGEST_NAME = 36
"""Texts up to this length stay on one line, such as the name of a strategy or a method; figures may fold."""
_FIGURE = re.compile(r"[+\N{MINUS SIGN}-]\d")
"""How a difference begins; words may follow it."""
LONGEST_FIGURE = 14
"""Anything longer is not a figure but a digest, and may fold."""
SHORTEST_PIECE = 6
"""Letters of a name that stay together in the narrowest terminal."""
_ANY_WIDTH = 10_000


class _FittedTable(Table):
    """A table that fits its terminal: if it is too wide, each word of a heading takes a line, and figures stay whole.

    Then texts fold at spaces, such as a figure with its interval; if that is not enough, names fold at spaces, then
    within words. If figures still have no room, each row is set as lines of `column: value`.
    """

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        fitted, wide = copy(self), options.update_width(_ANY_WIDTH)
        if Measurement.get(console, wide, self).maximum > options.max_width:
            fitted.columns = [replace(column, header=_stacked(column)) for column in self.columns]
            most = [_longest(column, "\n") for column in fitted.columns]
            room = options.max_width - Measurement.get(console, wide, fitted).maximum + sum(most)
            widths = _widths(fitted.columns, most, room)
            if not widths:
                yield _as_lines(self)
                return
            fitted.columns = [
                replace(column, width=width, no_wrap=width == n)
                for column, width, n in zip(fitted.columns, widths, most, strict=True)
            ]
        yield from Table.__rich_console__(fitted, console, options)


def _as_lines(table: Table) -> Text:
    """A line for each cell that is not empty, an empty line between rows; title above, caption below."""
    columns = [[f"{column.header}: {cell}" if str(cell) else "" for cell in column.cells] for column in table.columns]
    rows = ["\n".join(filter(None, row)) for row in zip(*columns, strict=True)]
    return Text("\n\n".join(filter(None, (str(table.title or ""), *rows, str(table.caption or "")))), overflow="fold")


def _stacked(column: Column) -> Text:
    """The heading, one word per line."""
    return Text(str(column.header).replace(" ", "\n").replace("-", "-\n"))


def _widths(columns: list[Column], most: list[int], room: int) -> list[int]:
    """Widths of columns that are at most `most` wide, within `room`; none if it is too small."""
    wholes = [_is_whole(column) for column in columns]
    for least in (
        [
            n if whole or column.no_wrap else _least(column)
            for n, whole, column in zip(most, wholes, columns, strict=True)
        ],
        [n if whole else _least(column) for n, whole, column in zip(most, wholes, columns, strict=True)],
        [
            n if whole else min(n, SHORTEST_PIECE) if column.justify == "left" else _least(column)
            for n, whole, column in zip(most, wholes, columns, strict=True)
        ],
    ):
        if sum(least) <= room:
            return _narrowed(most, least, room)
    return []


def _is_whole(column: Column) -> bool:
    """Does it hold figures, which must not fold?"""
    return column.justify == "right" and all(
        len(str(cell)) <= LONGEST_FIGURE and " " not in str(cell).removesuffix(" %") for cell in column.cells
    )


def _longest(column: Column, between: str | None) -> int:
    """Terminal cells of the longest piece of the heading and of the texts below it."""
    texts = map(str, (column.header, *column.cells))
    return max((cell_len(piece) for text in texts for piece in text.split(between)), default=0)


def _least(column: Column) -> int:
    """The longest word; outside names, a figure's length at most, as a digest or a path may fold anywhere."""
    longest = _longest(column, None)
    return longest if column.no_wrap else min(longest, LONGEST_FIGURE)


def _narrowed(most: list[int], least: list[int], room: int) -> list[int]:
    """Widths that fit, narrowing the widest column that can be narrower first."""
    widths = list(most)
    while sum(widths) > room:
        widths[max((n for n, width in enumerate(widths) if width > least[n]), key=lambda n: widths[n])] -= 1
    return widths


def rich_table(frame: pd.DataFrame, title: str = "", caption: str = "") -> Table:
    """Any frame of short texts and numbers; columns of numbers are right-aligned. No text is read as markup."""
    table = _FittedTable(box=box.SIMPLE_HEAD, title_justify="left", caption_justify="left")
    table.title = Text(title, "table.title") if title else None
    table.caption = Text(caption, "table.caption") if caption else None
    for name in frame.columns:
        side: Literal["left", "right"] = "right" if is_numeric(frame[name]) else "left"
        texts = [str(value) for value in frame[name]]
        is_name = side == "left" and all(len(text) <= LONGEST_NAME and not _FIGURE.match(text) for text in texts)
        table.add_column(Text(str(name)), justify=side, overflow="fold", no_wrap=is_name)
    for values in frame.itertuples(index=False):
        table.add_row(*(Text(str(value)) for value in values))
    return table


def is_numeric(column: pd.Series) -> bool:
    """True if every value that is not empty begins with a digit or a sign, as numbers with intervals do."""
    texts = [str(value) for value in column if str(value)]
    return bool(texts) and all(text[0].isdigit() or text[0] in "+-\N{MINUS SIGN}" for text in texts)
