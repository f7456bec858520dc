"""Where sequences of a stream begin, noted as it is read: a resumed run opens that shard at that row."""

import json
import logging
from pathlib import Path
from typing import NamedTuple

MARKS = "stream-marks.jsonl"
"""The file in the folder of a run."""
MARK_EVERY = 4_000
"""Sequences of a lane between two marks."""

log = logging.getLogger(__name__)


class Mark(NamedTuple):
    """A place in the stream."""

    lane: int
    number: int
    """Of the sequence that begins there, in its lane."""
    shard: int
    """Its index among the lane's shards."""
    row: int


class Marks:
    """The places noted so far, in the file too; several processes may write the same file."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._of_lane: dict[int, list[Mark]] = {}
        for mark in read_marks(file):
            self._of_lane.setdefault(mark.lane, []).append(mark)

    def nearest(self, start: Mark, number: int) -> Mark:
        """The last place at or before sequence `number` of the lane that begins at `start`."""
        known = [mark for mark in self._of_lane.get(start.lane, ()) if mark.number <= number]
        return max([start, *known], key=lambda mark: mark.number)

    def note(self, start: Mark, number: int, shard: int, row: int) -> None:
        """Note that this sequence begins there, if it is far enough from the last mark."""
        known = self._of_lane.setdefault(start.lane, [start])
        if number < known[-1].number + MARK_EVERY:
            return
        mark = Mark(start.lane, number, shard, row)
        known.append(mark)
        if self._file is None or not self._file.parent.is_dir():
            return
        try:
            with self._file.open("a", encoding="utf-8") as file:
                file.write(f"{json.dumps(mark)}\n")
        except OSError as error:
            log.warning("no mark written; a resumed run will read from further back: %s", error)


def read_marks(file: Path | None) -> list[Mark]:
    """The marks in a file, in order; damaged lines are skipped."""
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines() if file else []
    except FileNotFoundError:
        return []
    return sorted({mark for line in lines if (mark := _mark(line))})


def _mark(line: str) -> Mark | None:
    try:
        numbers = json.loads(line)
    except ValueError:
        return None
    whole = isinstance(numbers, list) and len(numbers) == 4 and all(type(n) is int and n >= 0 for n in numbers)
    return Mark(*numbers) if whole else None
