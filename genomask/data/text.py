"""Text corpora in, documents out: C4's layout, one JSON object a line with its text under `text`."""

import json
import logging
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from genomask.data.lines import numbered_lines
from genomask.errors import DataError, shown
from genomask.files.inputs import require_file

_ESCAPES = ("\\ud", "\\uD")
"""A line without them has no surrogates: UTF-8 cannot hold them."""
_SURROGATE = re.compile("[\ud800-\udfff]")

SUFFIXES = (".json.gz", ".jsonl.gz", ".json", ".jsonl")

log = logging.getLogger(__name__)


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

    Half a character (a lone surrogate, such as "\\ud83d") is no text: it is read as U+FFFD, and a log line counts them.
    Raises DataError with the line for what is not a JSON object with a string `text`.
    """
    for path in files:
        n_mended = 0
        for number, line in numbered_lines(path):
            if line.strip():
                text = _text_of(line, f"{path}, line {number}")
                is_plain = text.isascii() or not any(escape in line for escape in _ESCAPES)
                mended = text if is_plain else _SURROGATE.sub("\ufffd", text)
                n_mended += mended != text
                yield mended
        if n_mended:
            log.warning("%s: documents with half characters (lone surrogates), read as U+FFFD: %d", path, n_mended)


def _text_of(line: str, where: str) -> str:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not JSON ({error}). Give JSON lines: one object with a 'text' a line.") from error
    if not isinstance(document, dict):
        raise DataError(f"{where}: not a JSON object. Give JSON lines: one object with a 'text' a line.")
    if "text" not in document:
        found = shown(", ".join(map(repr, document)), most=400) or "nothing"
        raise DataError(f"{where}: no string under 'text', found {found}. Rename the field that holds the text.")
    if not isinstance(document["text"], str):
        found = shown(json.dumps(document["text"]))
        raise DataError(f"{where}: no string under 'text' but {found}. Give each document a text, or remove its line.")
    return document["text"]
