"""A shard of a corpus in, the text of each of its rows out; the end of its name selects the reader.

A row is a line of JSON, or a row of Parquet, numbered from 0; blank lines are skipped. gzip and zstd are recognised by
the first bytes.
"""

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedIOBase, BufferedReader
from pathlib import Path
from typing import cast

from genomask.data.lines import decoded, split_lines
from genomask.errors import DataError, shown
from genomask.files.unpacked import unpacked

ZSTD = b"\x28\xb5\x2f\xfd"
ROWS_AT_ONCE = 1000
"""Rows of Parquet that are read together."""

Found = str | DataError
"""The text of a row, or what is wrong with it."""
Rows = Iterator[tuple[int, Found]]


@dataclass(frozen=True)
class Shard:
    """A file of a corpus, local or remote."""

    name: str
    """Its path or address, for messages."""
    open: Callable[[], BufferedReader]
    """Raises OSError and, for a remote shard, httpx.HTTPError."""
    tries: int = 1
    """Attempts at a row before the connection counts as lost for good."""


@dataclass(frozen=True)
class Format:
    """How a shard is read."""

    read: Callable[[BufferedReader, Shard, str, int], Rows]
    """Takes the open file, its shard, the column of the text and the first row wanted."""
    row: str
    """What a row is called."""


class ShardDamaged(DataError):  # noqa: N818 - a sentence about the shard
    """A shard that is empty, cut short or no shard at all: the rows before the damage have been read."""


def json_lines(file: BufferedReader, shard: Shard, column: str, first: int) -> Rows:
    """C4's layout: one JSON object a line."""
    with _unpacked(file, shard.name) as content:
        for row, line in enumerate(split_lines(Path(shard.name), content)):
            if row >= first and line.strip():
                yield row, _text_of(line, column, f"{shard.name}, line {row + 1}")


def parquet(file: BufferedReader, shard: Shard, column: str, first: int) -> Rows:
    """A column of strings; row groups before the first row wanted are not read."""
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    content = ParquetFile(file)
    kind = dict(zip(content.schema_arrow.names, content.schema_arrow.types, strict=True)).get(column)
    if kind not in (pa.string(), pa.large_string(), pa.string_view()):
        found = shown(", ".join(content.schema_arrow.names), most=400)
        raise DataError(
            f"{shard.name}: no string column {column!r} among: {found}. Name it with --set documents.column=NAME."
        )
    start = 0
    for group in range(content.num_row_groups):
        stop = start + content.metadata.row_group(group).num_rows
        if stop > first:
            parts = content.iter_batches(ROWS_AT_ONCE, row_groups=[group], columns=[column])
            texts = (text for part in parts for text in part.column(0).to_pylist())
            for row, text in enumerate(texts, start):
                if row >= first:
                    nothing = DataError(f"{shard.name}, row {row + 1}: no text. Give each document one.")
                    yield row, nothing if text is None else text
        start = stop


_LINES, _TABLE = Format(json_lines, "line"), Format(parquet, "row")
FORMATS = {
    **{f"{stem}{packed}": _LINES for packed in (".gz", ".zst", "") for stem in (".json", ".jsonl")},
    ".parquet": _TABLE,
}
"""By the end of a shard's name."""


def format_of(name: str) -> Format:
    """The entry of FORMATS for a shard; one with any other name is read as lines."""
    return next((found for suffix, found in FORMATS.items() if name.endswith(suffix)), _LINES)


def rows(shard: Shard, column: str, first: int = 0) -> Rows:
    """Each row from number `first` on.

    Raises ShardDamaged for a shard that is cut short or damaged, and whatever opening it raises.
    """
    import pyarrow as pa

    how = format_of(shard.name)
    row = first - 1
    try:
        with shard.open() as file:
            if not file.peek(1):
                raise ShardDamaged(f"{shard.name}: the file is empty. Give a file with content.")
            for row, found in how.read(file, shard, column, first):
                yield row, found
    except (EOFError, zlib.error, gzip.BadGzipFile, pa.ArrowException, UnicodeDecodeError) as error:
        raise _damaged(shard, how, row, error) from error
    except OSError as error:
        if type(error) is OSError and error.errno is None:  # as Arrow reports damage in zstd and in Parquet's pages
            raise _damaged(shard, how, row, error) from error
        raise


def _damaged(shard: Shard, how: Format, row: int, error: Exception) -> ShardDamaged:
    reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
    place = f"after {how.row} {row + 1}" if row >= 0 else f"before the end of its first {how.row}"
    return ShardDamaged(f"{shard.name}: cut short or damaged {place} ({reason}). Download or compress it again.")


@contextmanager
def _unpacked(file: BufferedReader, name: str) -> Iterator[BufferedIOBase]:
    if file.peek(len(ZSTD)).startswith(ZSTD):
        import pyarrow as pa

        with pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd") as content:
            yield cast(BufferedIOBase, content)
    else:
        with unpacked(file, name, "Unpack it first: plain, gzip, zstd and Parquet files can be read.") as content:
            yield content


def _text_of(line: bytes, column: str, where: str) -> Found:
    """The text of a line of JSON, or what is wrong with it."""
    try:
        document = json.loads(decoded(line, where))
    except DataError as error:
        return error
    except (ValueError, RecursionError) as error:
        return DataError(f"{where}: not JSON ({error}). Give JSON lines: one object with a {column!r} per line.")
    if not isinstance(document, dict):
        return DataError(f"{where}: not a JSON object. Give JSON lines: one object with a {column!r} per line.")
    if column not in document:
        found = shown(", ".join(map(repr, document)), most=400) or "nothing"
        return DataError(
            f"{where}: no string under {column!r}, found {found}. Name the field with --set documents.column=NAME."
        )
    if not isinstance(text := document[column], str):
        found = shown(json.dumps(text))
        return DataError(
            f"{where}: no string under {column!r} but {found}. Give each document a text, or remove its line."
        )
    return text
