"""What a run notes about itself beside its model, as JSON objects: environment.json and baselines.json."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genomask.errors import DataError
from genomask.files.atomic import atomic_write

MEND = "restore it from a backup, or move it and the run's folder model/ away and use --resume, which makes both again"


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write it for people to read, whole or not at all."""
    atomic_write(path, json.dumps(record, indent=2) + "\n")


def read_record(path: Path) -> dict[str, Any]:
    """Raises DataError if the file is missing or holds no JSON object."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: cannot be read ({error}); {MEND}") from error
    if not isinstance(record, dict):
        raise DataError(f"{path}: not a JSON object; {MEND}")
    return record


def read_baselines(path: Path) -> dict[str, float | None]:
    """What a model's scores are compared with, by name. Raises DataError as above, and if one is not a number."""
    record = read_record(path)
    for name, value in record.items():
        if value is not None and not (type(value) in (int, float) and abs(value) <= sys.float_info.max):  # NaN neither
            raise DataError(f"{path}: {name} is not a number; {MEND}")
    return record
