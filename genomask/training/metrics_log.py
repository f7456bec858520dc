"""metrics.jsonl: one JSON object a logged step, units in the key."""

import json
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from genomask.files.atomic import atomic_write, naming

OF_THE_MOMENT = (
    *("tokens_per_second", "masked_tokens_per_second", "matmul_flops_per_second", "model_flops_utilization"),
    *("data_wait_fraction", "peak_memory_bytes"),
)
"""Numbers that differ each time, even on the same machine."""

log = logging.getLogger(__name__)


class MetricsLog:
    """Appends rows; a resumed run first drops the rows after its checkpoint."""

    def __init__(
        self,
        path: Path,
        keep_until: int,
        *,
        writes: bool = True,
        tell: Callable[[dict[str, Any]], None] = lambda _: None,
    ) -> None:
        """`writes`: False in processes of a run that leave writing to another one; `tell` gets each row written."""
        self.path, self._writes, self._tell = path, writes, tell
        if not writes:
            return
        rows = [row for row in read_metrics(path) if row["step"] <= keep_until]
        atomic_write(path, "".join(json.dumps(row) + "\n" for row in rows))

    def write(self, row: dict[str, Any]) -> dict[str, Any]:
        """Append one row and return it; the file is closed at once, so that a killed run keeps its history."""
        if self._writes:
            with naming(self.path), self.path.open("a") as file:
                file.write(json.dumps(row) + "\n")
            self._tell(row)
        return row

    def sync(self) -> None:
        """Force what was written to disk: rows before a checkpoint must not get there after it."""
        with naming(self.path), self.path.open("a") as file:
            os.fsync(file.fileno())


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The rows of a metrics.jsonl; a damaged line, as a crash may leave it, is left out and logged."""
    rows, damaged = parse_metrics(path)
    if damaged:
        lines = ", ".join(map(str, damaged))
        log.warning("%s: skipped damaged lines, as a crash leaves them: %s", path, lines)
    return rows


def parse_metrics(path: Path) -> tuple[list[dict[str, Any]], list[int]]:
    """The rows, and the numbers of the lines that are not rows (the last may be only half written)."""
    lines = path.read_bytes().split(b"\n") if path.exists() else []
    read = [(number, _row(line)) for number, line in enumerate(lines, start=1) if line]
    return [row for _, row in read if row is not None], [number for number, row in read if row is None]


def _row(line: bytes) -> dict[str, Any] | None:
    """The line as a row: numbers by name, with a whole one for the step; None for anything else."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    is_row = isinstance(row, dict) and type(row.get("step")) is int
    return (
        row if is_row and all(type(x) in (int, float) and abs(x) <= sys.float_info.max for x in row.values()) else None
    )
