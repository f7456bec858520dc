"""A masked sequence as coloured text for the terminal, which can also be read without colour.

A hidden base is a gap `_`, a base under a masked token that a visible token still reveals is lower case, a visible base
is upper case. The letters themselves are above, with a ruler and, if there is a table, the NPMI.
"""

from collections.abc import Iterator

import numpy as np
from rich.text import Text

from genomask.report.mask_rows import MaskedSequence, MaskRow
from genomask.report.style import strategy_colours

LEGEND = """\
_     hidden: every token over it is masked
acgt  under a masked token, but a visible one reveals it
ACGT  visible"""
STEPS = "\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588"
"""Bars of one to eight eighths."""
TICK = 10
LEAST_WIDTH = 20


def mask_text(sequence: MaskedSequence, width: int) -> Text:
    """Blocks of lines of at most `width` characters: ruler, letters, NPMI, one row per strategy."""
    margin = max(len(name) for name in ("NPMI", *(row.strategy for row in sequence.rows))) + 2
    room = max(LEAST_WIDTH, (width - margin) // TICK * TICK)
    colours = strategy_colours(row.strategy for row in sequence.rows)
    text = Text(f"{sequence.title}\n", no_wrap=True)
    for start in range(0, len(sequence.letters), room):
        part = slice(start, min(start + room, len(sequence.letters)))
        text.append("\n")
        for name, line in _block(sequence, part, colours):
            text.append(f"{name:{margin}}", style=f"bold {colours.get(name, '')}")
            text.append_text(line).append("\n")
    return text.append(f"\n{LEGEND}", style="dim")


def _block(sequence: MaskedSequence, part: slice, colours: dict[str, str]) -> Iterator[tuple[str, Text]]:
    """Name and line of each row of a block."""
    yield "", Text(_ruler(sequence.first + part.start, part.stop - part.start), style="dim")
    yield "", Text(sequence.letters[part])
    if len(sequence.best_npmi):
        yield "NPMI", Text(_bars(sequence.best_npmi)[part], style="dim")
    for row in sequence.rows:
        yield row.strategy, _line(row, sequence.letters, part, colours[row.strategy])


def _ruler(first: int, n: int) -> str:
    """The numbers of every tenth base, the last digit above its base; fewer where they would touch."""
    ruler = [" "] * n
    step = TICK if len(str(first + n)) < TICK else 2 * TICK
    for number in range(-(-first // step) * step, first + n, step):
        digits = f"{number}"
        end = number - first + 1
        if end >= len(digits):
            ruler[end - len(digits) : end] = digits
    return "".join(ruler).rstrip()


def _bars(npmi: np.ndarray) -> str:
    """A bar for each base, from the lowest NPMI of the sequence to its highest; blank where there is none."""
    known = npmi[np.isfinite(npmi)]
    low, high = (known.min(), known.max()) if len(known) else (0.0, 0.0)
    step = np.nan_to_num((npmi - low) / max(high - low, 1e-12)) * (len(STEPS) - 1)
    return "".join(STEPS[round(at)] if known else " " for at, known in zip(step, np.isfinite(npmi), strict=True))


def _line(row: MaskRow, letters: str, part: slice, colour: str) -> Text:
    """The letters of one row, each in its own style."""
    line = Text()
    for letter, hidden, covered in zip(letters[part], row.hidden[part], row.covered[part], strict=True):
        if hidden:
            line.append("_", style=f"bold #ffffff on {colour}")
        elif covered:
            line.append(letter.lower(), style=colour)
        else:
            line.append(letter, style="dim")
    return line
