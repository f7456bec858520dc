"""Streaming: sequence i is sequence i, however the stream came there, with however many processes."""

import gzip
import io
import json

import pytest

from genomask.data import streamed
from genomask.data.corpus_formats import Shard
from genomask.data.settings import DocumentSettings
from genomask.data.streamed import StreamedText, first_documents, read_marks
from genomask.data.tokenizers.wordpiece import split_documents, train_wordpiece, wordpiece_tokenizer
from genomask.errors import DataError

TRAIN = [f"training document {i}" for i in range(60)]
VALIDATION = [f"document {i} for validation" for i in range(10)]


class Opened(Shard):
    """A shard in memory that counts how often it is opened, and fails as it is told."""

    def __init__(self, name, texts, column="text", tries=1):
        content = gzip.compress("".join(json.dumps({column: x, "url": "http://a.b"}) + "\n" for x in texts).encode())
        super().__init__(name, self._open, tries)
        object.__setattr__(self, "content", content)
        object.__setattr__(self, "opened", [])
        object.__setattr__(self, "faults", [])

    def _open(self):
        self.opened.append(1)
        if self.faults:
            raise self.faults.pop(0)
        return io.BufferedReader(io.BytesIO(self.content))


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return wordpiece_tokenizer(train_wordpiece(TRAIN + VALIDATION, 300, tmp_path_factory.mktemp("v") / "vocab.txt"))


@pytest.fixture
def shards(monkeypatch):
    monkeypatch.setattr(streamed, "DOCUMENTS_AT_ONCE", 5)
    monkeypatch.setattr(streamed, "MARK_EVERY", 10)
    train = [Opened(f"{i}.json.gz", texts) for i, texts in enumerate((TRAIN[:25], TRAIN[25:50], TRAIN[50:]))]
    return {"train": train, "validation": [Opened("v.json.gz", VALIDATION)]}


@pytest.fixture
def stream(tokenizer, shards, tmp_path):
    """A function that opens the stream anew, as a new process would, with the marks of those before."""

    def open_stream(marks=tmp_path / "marks.jsonl", shards=shards, **settings):
        settings = DocumentSettings(**{"validation_documents": 4, **settings})
        return StreamedText("made", shards, tokenizer, settings, marks)

    return open_stream


def ids_of(tokens):
    return [ids.tolist() for ids in tokens.input_ids.split(tokens.lengths.tolist())]


def texts_of(source, tokens):
    return [source.tokenizer.decode(ids, skip_special_tokens=True) for ids in ids_of(tokens)]


def test_documents_come_in_order_whatever_was_read_before(stream):
    source = stream()
    assert texts_of(source, source.train(0, 10)) == TRAIN[:10]
    assert texts_of(source, source.train(10, 10)) == TRAIN[10:20]
    assert texts_of(source, source.train(35, 10)) == TRAIN[35:45]  # forward, as one of several processes does
    assert texts_of(source, source.train(5, 3)) == TRAIN[5:8]  # back
    assert texts_of(source, stream().train(48, 4)) == TRAIN[48:52]  # resumed
    assert texts_of(source, source.validation()) == VALIDATION[:4]


def test_after_the_last_document_comes_the_first_again(stream):
    source = stream()
    assert texts_of(source, source.train(55, 70)) == TRAIN[55:] + TRAIN + TRAIN[:5]
    assert texts_of(source, stream().train(155, 7)) == TRAIN[35:42]


def test_a_resumed_stream_opens_the_shard_and_row_of_the_nearest_mark_and_none_before(stream, shards, tmp_path):
    stream().train(0, 45)
    assert read_marks(tmp_path / "marks.jsonl") == [(10, 0, 10), (20, 0, 20), (30, 1, 5), (40, 1, 15)]
    for shard in shards["train"]:
        shard.opened.clear()
    again = stream()
    assert texts_of(again, again.train(41, 15)) == TRAIN[41:56]
    assert [len(shard.opened) for shard in shards["train"]] == [0, 1, 1]


def test_any_number_of_processes_goes_on_where_another_number_stopped(stream):
    for process in range(2):  # steps of 12 sequences, in two processes and then in three
        source = stream()
        parts = [texts_of(source, source.train(step * 12 + process * 6, 6)) for step in range(3)]
        assert [text for part in parts for text in part] == [
            TRAIN[step * 12 + process * 6 + i] for step in range(3) for i in range(6)
        ]
    resumed = [texts_of(source, stream().train(36 + process * 4, 4)) for process in range(3)]
    assert [text for part in resumed for text in part] == TRAIN[36:48]


def test_damaged_marks_are_passed_over(stream, tmp_path):
    stream().train(0, 45)
    marks = tmp_path / "marks.jsonl"
    marks.write_text(marks.read_text()[:30] + '\n[1]\n{"a": 2}\n[-1, 0, 0]\n[1e3, 0, 0]\n[')
    source = stream()
    assert texts_of(source, source.train(41, 15)) == TRAIN[41:56]


def test_without_a_validation_split_the_first_documents_are_held_out_in_every_epoch(stream, shards):
    source = stream(shards={"train": shards["train"]})
    assert texts_of(source, source.validation()) == TRAIN[:4]
    assert texts_of(source, source.train(0, 60)) == TRAIN[4:] + TRAIN[4:8]


@pytest.mark.parametrize("overflow", ["split", "pack"])
def test_sequences_of_whole_documents_are_the_same_wherever_the_stream_is_entered(stream, tokenizer, overflow):
    texts = [" ".join([text] * (1 + i % 6)) for i, text in enumerate(TRAIN)]
    shards = {"train": [Opened(f"{i}.json.gz", texts[i : i + 20]) for i in (0, 20, 40)]}
    settings = {"max_tokens": 12, "overflow": overflow, "validation_documents": 1}
    source = stream(shards=shards, **settings)
    parts = [ids for pieces in split_documents(tokenizer, texts[1:], 12) for ids in pieces]
    count = len(parts)
    if overflow == "split":
        assert ids_of(source.train(0, count)) == parts
    else:
        count = next(n for n in range(1, count) if ids_of(source.train(n, 1)) == ids_of(source.train(0, 1)))
        assert count < 0.9 * len(parts)
        assert max(map(len, ids_of(source.train(0, count)))) <= 12
    whole = ids_of(source.train(0, count + 5))
    assert whole[count:] == whole[:5]
    for first in (0, 9, 10, 37, count - 2, 3 * count + 11):
        again = stream(shards=shards, **settings)
        assert ids_of(again.train(first, 4)) == (whole[:count] * 5)[first : first + 4]


def test_a_lost_connection_is_opened_again_at_the_next_row_and_given_up_with_a_sentence(
    stream, shards, monkeypatch, caplog
):
    slept = []
    monkeypatch.setattr("time.sleep", slept.append)
    shards["train"][1] = Opened("1.json.gz", TRAIN[25:50], tries=4)
    shards["train"][1].faults.extend([ConnectionError("busy"), ConnectionError("cut")])
    source = stream()
    assert texts_of(source, source.train(20, 10)) == TRAIN[20:30]
    assert slept == [1, 2]
    assert "1.json.gz: lost at row 1 (cut); trying again in 2 s" in caplog.text
    shards["train"][1].faults.extend([ConnectionError("away")] * 4)
    with pytest.raises(DataError, match=r"1.json.gz: cannot be read from row 1 on \(away\)"):
        stream().train(20, 10)
    assert slept == [1, 2, 1, 2, 4]


def test_documents_without_text_and_streams_without_documents_are_refused(stream):
    with pytest.raises(DataError, match=r"x.json.gz, line 1: no string under 'text', found 'content', 'url'"):
        stream(shards={"train": [Opened("x.json.gz", TRAIN, column="content")]})
    source = stream(shards={"train": [Opened("x.json.gz", TRAIN, column="content")]}, column="content")
    assert texts_of(source, source.train(0, 2)) == TRAIN[4:6]
    with pytest.raises(DataError, match="made: no split 'train' to train on, found: validation"):
        stream(shards={"validation": [Opened("x.json.gz", TRAIN)]})
    few = stream(shards={"train": [Opened("x.json.gz", TRAIN[:3])]})
    with pytest.raises(DataError, match="made: the stream has no documents to train on"):
        few.train(0, 1)


def test_the_first_documents_are_those_of_the_first_shards(shards):
    assert first_documents("made", shards["train"], 30, DocumentSettings()) == TRAIN[:30]
