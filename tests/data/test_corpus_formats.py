"""Shards of every format give the same rows, from any row on, and report where they are cut short."""

import gzip
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from genomask.data.corpus_formats import FORMATS, Shard, ShardDamaged, rows
from genomask.errors import DataError

TEXTS = [f"document {i} {'ü' * (i % 3)}" for i in range(50)]


def content(suffix, texts, column="text"):
    if suffix == ".parquet":
        out = io.BytesIO()
        pq.write_table(pa.table({"url": ["x"] * len(texts), column: texts}), out, row_group_size=20)
        return out.getvalue()
    lines = "".join(json.dumps({column: text}) + "\n" for text in texts).encode()
    if suffix.endswith(".zst"):  # two frames, as joined files have
        frames = filter(None, (lines[:700], lines[700:]))
        return b"".join(pa.compress(frame, codec="zstd", asbytes=True) for frame in frames)
    return gzip.compress(lines) if suffix.endswith(".gz") else lines


def shard(suffix, data):
    return Shard(f"shard{suffix}", lambda: io.BufferedReader(io.BytesIO(data)))


@pytest.mark.parametrize("suffix", FORMATS)
def test_rows_are_the_same_in_every_format_from_any_row_on(suffix):
    there = shard(suffix, content(suffix, TEXTS))
    assert list(rows(there, "text")) == list(enumerate(TEXTS))
    for first in (1, 19, 20, 45, 50):
        assert list(rows(there, "text", first)) == list(enumerate(TEXTS))[first:]


@pytest.mark.parametrize("suffix", [".json.gz", ".jsonl.zst", ".parquet"])
def test_a_shard_that_is_cut_or_empty_is_named(suffix):
    """A cut between two frames or members cannot be detected."""
    data = content(suffix, TEXTS[:10])
    for stop in range(5, len(data) - 1, max(1, len(data) // 40)):
        place = "(after (line|row) [1-9]|before the end of its first (line|row))"
        with pytest.raises(ShardDamaged, match=f"shard{suffix}: cut short or damaged {place}"):
            list(rows(shard(suffix, data[:stop]), "text"))
    with pytest.raises(ShardDamaged, match=f"shard{suffix}: the file is empty"):
        list(rows(shard(suffix, b""), "text"))


def test_a_table_without_the_column_and_a_row_without_text_are_named():
    with pytest.raises(DataError, match=r"shard.parquet: no string column 'text' among: url, content. Name it with"):
        list(rows(shard(".parquet", content(".parquet", TEXTS, "content")), "text"))
    found = list(rows(shard(".parquet", content(".parquet", ["one", None, "three"])), "text"))
    assert [row for row, _ in found] == [0, 1, 2]
    assert str(found[1][1]).startswith("shard.parquet, row 2: no text")
