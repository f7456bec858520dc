"""A comparison in words, the same in the terminal and on its page."""

from collections.abc import Iterator
from pathlib import Path

from rich.console import RenderableType
from rich.table import Table

from genomask.commands.compare.arms import Comparison
from genomask.commands.compare.comparison import Outcome
from genomask.errors import TrainingError
from genomask.fewshot.summary import captions
from genomask.report.fewshot_tables import fewshot_table, floor_table, verdict_table
from genomask.report.floor_words import floor_sentence
from genomask.report.frames import verdict_sentence
from genomask.report.leak_rows import TITLE
from genomask.report.meaning import still_copying
from genomask.report.tables import rich_table
from genomask.terminal.console import Line


def headline(outcome: Outcome, extra: str = "") -> str:
    """The result in a few sentences, first what may undo it; `extra` is the caller's sentence."""
    comparison = outcome.comparison
    method = comparison.primary_method
    verdict = verdict_sentence(outcome.verdict(method), comparison.control, method)
    floors = floor_sentence(outcome.floors)
    return " ".join(filter(None, (undertrained(outcome), verdict, kept(comparison), extra, floors, missing(outcome))))


def kept(comparison: Comparison) -> str:
    """States that reordering --methods does not change the primary method; empty if the order is the same."""
    method, first = comparison.primary_method, comparison.fewshot.pretrained[0]
    if method == first:
        return ""
    return f"The verdict still uses {method}, as in the first run of this folder, though --methods names {first} first."


def missing(outcome: Outcome) -> str:
    """Which arms are missing from the comparison; empty if none is."""
    return f"Missing here: {outcome.failures}" if outcome.failed else ""


def undertrained(outcome: Outcome) -> str:
    """States that there is no verdict yet, if arms have not learned to copy the bases they see; else empty."""
    still = {
        name: words
        for name, frame in outcome.runs.items()
        if (words := still_copying(frame.to_dict("records"), outcome.baselines[name]))
    }
    if not still:
        return ""
    lagging = "every arm" if len(still) == len(outcome.runs) else ", ".join(still)
    name, words = next(iter(still.items()))
    return (
        f"Not yet a verdict: {lagging} must still learn to copy the bases beside a mask ({name}: {words}); "
        "raise training.steps, or optimizer.learning_rate, until each loss nears its flank floor."
    )


def result(outcome: Outcome, page: Path, extra: str = "") -> Iterator[RenderableType]:
    """`genomask compare`: what to print. Raises TrainingError at the end if arms failed."""
    yield from terminal_parts(outcome, extra)
    yield from outcome.seen.sentences
    if len(outcome.seen.frame):
        yield rich_table(outcome.seen.frame, TITLE, outcome.seen.caption)
    yield Line(f"report: {page}")
    if outcome.failed:
        raise TrainingError(outcome.failures)


def terminal_parts(outcome: Outcome, extra: str = "") -> Iterator[Table | str]:
    """What to print of a comparison: its tables, and the headline."""
    method, control = outcome.comparison.primary_method, outcome.comparison.control
    yield fewshot_table(outcome.summary, "\n".join(captions(outcome.summary, outcome.guesses)))
    yield from floor_table(outcome.floors)
    yield verdict_table(outcome.verdict(method), outcome.arm_means(method), control, method)
    yield headline(outcome, extra)
