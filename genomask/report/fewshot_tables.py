"""Few-shot tables for the terminal: rows of summary.csv and of verdicts in, rich tables out."""

from collections.abc import Iterator

import pandas as pd
from rich.table import Table

from genomask.report.floor_words import floor_caption, floor_frame
from genomask.report.frames import VERDICT_CAPTION, fewshot_frame, verdict_frame
from genomask.report.tables import rich_table


def fewshot_table(summary: pd.DataFrame, caption: str = "") -> Table:
    """Accuracy in per cent by examples per class, from the rows of summary.csv."""
    return rich_table(fewshot_frame(summary), "Few-shot accuracy, % (shots: examples of each class)", caption)


def verdict_table(verdict: pd.DataFrame, arms: pd.DataFrame, control: str, method: str) -> Table:
    """The comparison of masking strategies by a method; other arguments as `frames.verdict_frame` takes them."""
    return rich_table(verdict_frame(verdict, arms, control), f"Verdict by {method}", VERDICT_CAPTION)


def floor_table(against: pd.DataFrame) -> Iterator[Table]:
    """The best floor beside what was measured, from the rows of `fewshot.floor_test`; none where there is no floor."""
    if len(against):
        yield rich_table(floor_frame(against), "Against the best floor", floor_caption(against))
