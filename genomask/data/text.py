"""Text corpora in, documents out: C4's layout, one JSON object a line with its text under `text`."""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from genomask.data.lines import numbered_lines
from genomask.errors import DataError
from genomask.inputs import require_file

SUFFIXES = (".json.gz", ".jsonl.gz", ".json", ".jsonl")


def corpus_files(paths: Path | str | Sequence[Path | str]) -> list[Path]:
    """The shards that are meant: the files given, and those of each folder given, in the order of their names."""
    files = []
    for path in [Path(paths)] if isinstance(paths, str | Path) else map(Path, paths):
        shards = sorted(x for x in path.iterdir() if x.name.endswith(SUFFIXES)) if os.path.isdir(path) else [path]
        if not shards:
            raise DataError(f"{path}: no file in this folder ends in {', '.join(SUFFIXES)}. Give a folder of shards.")
        files += shards
    for path in files:
        require_file(path)
    if len({x.resolve() for x in files}) < len(files):
        raise DataError(f"{files[0]}: a shard is given twice. Name each shard, or its folder, once.")
    return files


def read_documents(files: Sequence[Path]) -> Iterator[str]:
    """The text of each document, in order; blank lines are passed over.

    Raises DataError with the line for what is not a JSON object with a string `text`.
    """
    for path in files:
        for number, line in numbered_lines(path):
            if line.strip():
                yield _text_of(line, f"{path}, line {number}")


def _text_of(line: str, where: str) -> str:
    try:
        document = json.loads(line)
    except ValueError as error:
        raise DataError(f"{where}: not JSON ({error}). Give JSON lines: one object with a 'text' a line.") from error
    if not isinstance(document, dict):
        raise DataError(f"{where}: not a JSON object. Give JSON lines: one object with a 'text' a line.")
    if not isinstance(document.get("text"), str):
        found = ", ".join(map(repr, document)) or "nothing"
        raise DataError(f"{where}: no string under 'text', found {found}. Rename the field that holds the text.")
    return document["text"]
