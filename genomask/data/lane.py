"""Some of a stream's shards, read forward: sequence number i is always the same, wherever reading began.

A stream is divided into lanes, so that each of several processes reads only some of the shards. The sequences of a step
are divided among lanes in order, as among processes: a process reads few lanes, always the same ones.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from genomask.data.stream_marks import Mark, Marks
from genomask.errors import DataError

LANES = 32
"""At most: each keeps a shard open and, if it is on the hub, 5 MB of it."""
SHARDS_A_LANE = 8
"""At least, so that lanes hold about the same number of documents: each starts over at its own end."""

Piece = str | np.ndarray
"""A text still to be cut to one sequence, or the ids of a sequence."""
Block = tuple[int, int, Sequence[Piece]]
"""Shard, row of the first document, and the pieces of it and some that follow."""


class Lane:
    """The endless pieces of the lane that begins at a mark: after its last document comes its first again."""

    def __init__(self, start: Mark, marks: Marks, blocks: Callable[[Mark], Iterator[Block]], name: str) -> None:
        """`blocks` reads from a mark to the end of the last shard."""
        self._start, self._marks, self._blocks, self._name = start, marks, blocks, name
        self._pieces, self._next = self._stream(start), 0

    def read(self, first: int, count: int) -> list[Piece]:
        """Pieces number first .. first + count - 1; going forward is cheap, going back is not."""
        if first != self._next:
            mark = self._marks.nearest(self._start, first)
            if not mark.number <= self._next <= first:
                self._pieces, self._next = self._stream(mark), mark.number
        pieces = list(itertools.islice(self._pieces, first - self._next, first - self._next + count))
        assert len(pieces) == count, "a lane that has failed is read on"
        self._next = first + count
        return pieces

    def _stream(self, mark: Mark) -> Iterator[Piece]:
        number = mark.number
        while True:
            before = number
            for shard, row, pieces in self._blocks(mark):
                self._marks.note(self._start, number, shard, row)
                number += len(pieces)
                yield from pieces
            first = self._start._replace(number=number)
            if number == before and mark == first:
                raise DataError(
                    f"{self._name}: the stream has no documents to train on. Give a data set that has some."
                )
            mark = first


def lanes_of(shards: int, sequences_per_step: int) -> int:
    """The number of lanes, whatever reads them."""
    return max(1, min(LANES, shards // SHARDS_A_LANE, sequences_per_step))


def places(first: int, count: int, lanes: int, sequences_per_step: int) -> Iterator[tuple[int, int, int]]:
    """Where sequences first .. first + count - 1 of the stream are: lane, number of the first in it, how many."""
    while count:
        step, at = divmod(first, sequences_per_step)
        lane = at * lanes // sequences_per_step
        start, stop = (-(-sequences_per_step * n // lanes) for n in (lane, lane + 1))
        here = min(count, stop - at)
        yield lane, step * (stop - start) + at - start, here
        first, count = first + here, count - here
