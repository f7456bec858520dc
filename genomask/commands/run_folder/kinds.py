"""Which verb a folder belongs to, by what that verb alone leaves there: runs of two verbs are not mixed."""

from collections.abc import Mapping
from pathlib import Path

from genomask.errors import SettingsError
from genomask.files.inputs import MEASURED

RECORDS: Mapping[str, str] = {
    "pretrain": "config.toml",
    "finetune": "finetune.json",
    "glue": "glue.json",
    "demo": "simulated-*",
    "compare": "arms",
    "fewshot or bench": MEASURED,
}
"""Verb -> its file or folder. The first one found decides, as a demo also holds a comparison's arms."""


def refuse_others(out: Path, own: str) -> None:
    """Raises SettingsError if `out` holds a run of another verb than `own`: the two would be mixed."""
    found = next((verb for verb, record in RECORDS.items() if any(out.glob(record))), "")
    if found not in ("", own):
        raise SettingsError(f"{out} holds a run of {found} ({RECORDS[found]}); give another --out.")
