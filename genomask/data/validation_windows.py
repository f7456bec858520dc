"""The windows kept for validation: usable bases in, starts out, the same for every run on these bases.

Letters: W validation windows, n intervals.
"""

import itertools
import logging
from collections.abc import Sequence

import numpy as np

from genomask.data.intervals import longest, subtract, total_length
from genomask.data.mixture import Component
from genomask.data.window_sampling import place_evenly
from genomask.errors import counted

EVALUATION_BASES = 510
"""Bases of a validation window, the same for every run on a genome; fewer if its runs of ACGT are shorter."""
EVALUATION_BLOCK = 64
"""Shorter validation windows are multiples of this: evaluation hides one item in each."""
VALIDATION_FRACTION = 0.125
"""Validation takes at most this fraction of the usable bases."""

log = logging.getLogger(__name__)


def place_validation(
    usable: Sequence[np.ndarray], mixture: Sequence[Component], asked: int, room: int, seed: int
) -> tuple[list[np.ndarray], int]:
    """(W,) starts in the usable bases (n, 2) of each genome of the mixture, and the bases of each window.

    Each genome gets an equal part of the windows `asked` for, whatever its weight, so that runs with other weights are
    compared on the same windows. They have 510 bases. If an eighth of the bases holds none, or none fits, they have the
    largest multiple of 64 bases at which half of those that an eighth allows fit; one of 64 bases is allowed in any
    case. Training keeps `room` bases in a row.
    """
    borders = [asked * number // len(usable) for number in range(len(usable) + 1)]
    wanted = [stop - start for start, stop in itertools.pairwise(borders)]
    shorter = range(EVALUATION_BASES // EVALUATION_BLOCK * EVALUATION_BLOCK, 0, -EVALUATION_BLOCK)
    for bases in (EVALUATION_BASES, *shorter):
        one = int(bases == EVALUATION_BLOCK)  # one of the shortest windows, even beyond an eighth
        counts = [
            min(count, max(one, int(VALIDATION_FRACTION * total_length(own)) // bases))
            for count, own in zip(wanted, usable, strict=True)
        ]
        placed = [_place(own, bases, count, room, seed) for count, own in zip(counts, usable, strict=True)]
        half = [0 if bases == EVALUATION_BASES else count / 2 for count in counts]
        least = [max(few, min(1, count)) for few, count in zip(half, wanted, strict=True)]
        if all(len(starts) >= few for starts, few in zip(placed, least, strict=True)):
            break
    for starts, count, own, genome in zip(placed, wanted, usable, mixture, strict=True):
        if len(starts) < count or bases < EVALUATION_BASES:
            log.warning(
                "%s of %d bases instead of %d of %d%s: the genome has %s usable bases, "
                "in runs of up to %s",
                counted(len(starts), "validation window"), bases, count, EVALUATION_BASES, genome.within,
                f"{total_length(own):,}", f"{longest(own):,}",
            )  # fmt: skip
    return placed, bases


def windows_at(starts: np.ndarray, bases: int) -> np.ndarray:
    """(W, 2) int64 [start, stop) of windows of `bases` bases."""
    return np.stack([starts, starts + bases], axis=1)


def _place(usable: np.ndarray, bases: int, count: int, room: int, seed: int) -> np.ndarray:
    """Starts of at most `count` windows that leave training `room` bases in a row.

    If windows spread over all bases would not, the longest run keeps its first `room`, whatever the seed.
    """
    starts = place_evenly(usable, bases, count, seed)
    if longest(subtract(usable, windows_at(starts, bases))) >= room:
        return starts
    longest_start = usable[np.argmax(usable[:, 1] - usable[:, 0]), 0]
    kept = np.array([[longest_start, longest_start + room]])
    return place_evenly(subtract(usable, kept), bases, count, seed)
