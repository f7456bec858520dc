"""Text corpora in, documents out: which shards are meant, and what becomes of bad rows."""

import glob
import logging
import os
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import httpx

from genomask.data.corpus_formats import FORMATS, Rows, Shard, ShardDamaged, rows
from genomask.data.settings import ReadingSettings
from genomask.errors import DataError
from genomask.files.inputs import require_file

_SURROGATE = re.compile("[\ud800-\udfff]")
USUAL = ReadingSettings()
LONGEST_WAIT = 30.0
"""Most seconds between two attempts at a lost connection; they begin at one and double."""

log = logging.getLogger(__name__)


def corpus_files(paths: Path | str | Sequence[Path | str]) -> list[Path]:
    """The shards that are meant: the files given, and those of each folder or pattern in the order of names."""
    files = []
    for path in [Path(paths)] if isinstance(paths, str | Path) else map(Path, paths):
        shards = [path]
        if os.path.isdir(path):
            shards = sorted(x for x in path.iterdir() if x.name.endswith(tuple(FORMATS)))
        elif glob.has_magic(str(path)) and not path.exists():
            shards = sorted(map(Path, glob.glob(str(path), recursive=True)))
        if not shards:
            raise DataError(f"{path}: no file here ends in {', '.join(FORMATS)}. Give shards, or a folder of them.")
        files += shards
    for path in files:
        require_file(path)
    if len({x.resolve() for x in files}) < len(files):
        raise DataError(f"{files[0]}: a shard is given twice. Name each shard, or its folder, once.")
    return files


def read_documents(files: Sequence[Path], settings: ReadingSettings = USUAL) -> Iterator[str]:
    """The text of each document, in order; otherwise as `documents`."""
    for path in files:
        require_file(path)
        for _, text in documents(Shard(str(path), lambda path=path: path.open("rb")), settings):  # type: ignore[misc]
            yield text


def documents(shard: Shard, settings: ReadingSettings = USUAL, first: int = 0) -> Iterator[tuple[int, str]]:
    """Row and text of each document of a shard from row `first` on.

    Half a character (a lone surrogate, such as "\\ud83d") is no text: it is read as U+FFFD, and a log line counts them.
    Depending on `settings.bad`, a bad row or the damaged end of a shard raises DataError, or is skipped, named and
    counted in a log line. A lost connection raises DataError after as many attempts as the shard has.
    """
    n_mended, n_bad, first_bad = 0, 0, ""
    try:
        for row, found in _insisting(shard, settings.column, first):
            if isinstance(found, DataError):
                _refuse(found, settings)
                n_bad, first_bad = n_bad + 1, first_bad or str(found)
                continue
            mended = found if found.isascii() else _SURROGATE.sub("\ufffd", found)
            n_mended += mended != found
            yield row, mended
    except ShardDamaged as error:
        _refuse(error, settings)
        log.warning("%s The rest of it is skipped.", error)
    if n_bad:
        log.warning("%s: bad rows skipped: %d; the first: %s", shard.name, n_bad, first_bad)
    if n_mended:
        log.warning("%s: documents with half characters (lone surrogates), read as U+FFFD: %d", shard.name, n_mended)


def _refuse(error: DataError, settings: ReadingSettings) -> None:
    if settings.bad == "error":
        raise DataError(f"{error} Or skip what is bad: --set documents.bad=skip.") from error


def _insisting(shard: Shard, column: str, row: int) -> Rows:
    """The rows of a shard; if its connection is lost, it is opened again at the next row."""
    failures = 0
    while True:
        try:
            for at, found in rows(shard, column, row):
                yield at, found
                row, failures = at + 1, 0
            return
        except (OSError, httpx.HTTPError) as error:
            failures += 1
            said = getattr(error, "strerror", None) or str(error)
            reason = (said.splitlines() or [type(error).__name__])[0].rstrip(".")
            if failures >= shard.tries or _is_final(error):
                raise DataError(
                    f"{shard.name}: cannot be read from row {row + 1} on ({reason}). Check the file and its "
                    "permissions, or the connection to it; --resume continues a run from there."
                ) from error
            wait = min(LONGEST_WAIT, 2.0 ** (failures - 1))
            log.warning("%s: lost at row %d (%s); trying again in %g s", shard.name, row + 1, reason, wait)
            time.sleep(wait)


def _is_final(error: Exception) -> bool:
    """Has the hub said no, rather than not now?"""
    if not isinstance(error, HfHubHTTPError):
        return False
    status = error.response.status_code
    return 400 <= status < 500 and status not in (408, 429)
