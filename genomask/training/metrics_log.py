"""metrics.jsonl: one JSON object a logged step, units in the key."""

import json
from pathlib import Path

from genomask.atomic import atomic_write


class MetricsLog:
    """Appends rows; a resumed run first drops the rows after its checkpoint."""

    def __init__(self, path: Path, keep_until: int) -> None:
        self.path = path
        rows = [row for row in read_metrics(path) if row["step"] <= keep_until]
        atomic_write(path, "".join(json.dumps(row) + "\n" for row in rows))

    def write(self, row: dict) -> dict:
        """Append one row and give it back; closed at once, so that a killed run keeps its history."""
        with self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        return row


def read_metrics(path: Path) -> list[dict]:
    """The rows of a metrics.jsonl; an unfinished last line, as a killed run may leave it, is left out."""
    if not path.exists():
        return []
    lines = path.read_text().split("\n")[:-1]
    return [json.loads(line) for line in lines if line]
