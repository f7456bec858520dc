"""Tables for the terminal: frames in, rich tables out."""

import re
from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from typing import Literal

import pandas as pd
from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from genomask.report.floor_words import floor_caption, floor_frame
from genomask.report.frames import fewshot_frame, verdict_frame

LONGEST_NAME = 36
"""Texts up to this length stay in one line, such as the name of a strategy or a method; figures may fold."""
_FIGURE = re.compile(r"[+\N{MINUS SIGN}-]\d")
"""How a difference begins; words may stand behind it."""
LONGEST_FIGURE = 14
"""What is longer is no figure but a digest, and may fold."""
_ANY_WIDTH = 10_000


class _FittedTable(Table):
    """Where there is no room for it, each word of a heading takes a line, and figures stay whole.

    Then what has spaces folds, such as a figure with its interval, or, where nothing has, names do.
    """

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        fitted = copy(self)
        if Measurement.get(console, options.update_width(_ANY_WIDTH), self).maximum > options.max_width:
            wholes = [
                column.justify == "right"
                and all(
                    len(str(cell)) <= LONGEST_FIGURE and " " not in str(cell).removesuffix(" %")
                    for cell in column.cells
                )
                for column in self.columns
            ]
            names_fold = all(whole or column.no_wrap for whole, column in zip(wholes, self.columns, strict=True))
            fitted.columns = [
                replace(
                    column,
                    header=Text(str(column.header).replace(" ", "\n")),
                    no_wrap=whole or (column.no_wrap and not names_fold),
                )
                for whole, column in zip(wholes, self.columns, strict=True)
            ]
        yield from Table.__rich_console__(fitted, console, options)


def rich_table(frame: pd.DataFrame, title: str = "", caption: str = "") -> Table:
    """Any frame of short texts and numbers; columns of numbers are set right. No text is read as markup."""
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


def fewshot_table(summary: pd.DataFrame, caption: str = "") -> Table:
    """Accuracy in per cent by examples per class, from the rows of summary.csv."""
    return rich_table(fewshot_frame(summary), "Few-shot accuracy, % (shots: examples of each class)", caption)


def verdict_table(verdict: pd.DataFrame, arms: pd.DataFrame, control: str, caption: str = "") -> Table:
    """The comparison of masking strategies; arguments as `frames.verdict_frame` takes them."""
    return rich_table(verdict_frame(verdict, arms, control), "Verdict", caption)


def floor_table(against: pd.DataFrame) -> Iterator[Table]:
    """The best floor beside what was measured, from the rows of `fewshot.floor_test`; none where there is no floor."""
    if len(against):
        yield rich_table(floor_frame(against), "Against the best floor", floor_caption(against))


def is_numeric(column: pd.Series) -> bool:
    """True where every value that is not empty begins with a digit or a sign, as numbers with intervals do."""
    texts = [str(value) for value in column if str(value)]
    return bool(texts) and all(text[0].isdigit() or text[0] in "+-\N{MINUS SIGN}" for text in texts)
