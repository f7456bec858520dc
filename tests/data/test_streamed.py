"""Streaming: sequence i is the same however the stream got there, with any number of processes."""

import gzip
import io
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genomask.data import lane, stream_marks, streamed
from genomask.data.corpus_formats import Shard
from genomask.data.lane import places
from genomask.data.settings import DocumentSettings
from genomask.data.stream_marks import read_marks
from genomask.data.streamed import StreamedText, first_documents
from genomask.data.tokenizers.base import SPECIAL_TOKENS
from genomask.data.tokenizers.documents import DocumentTokenizer
from genomask.data.tokenizers.wordpiece import train_wordpiece, wordpiece_tokenizer
from genomask.errors import DataError
from genomask.training.distributed import World, being, part

TRAIN = [f"training document {i}" for i in range(60)]
VALIDATION = [f"document {i} for validation" for i in range(10)]


class Opened(Shard):
    """A shard in memory that counts how often it is opened, and fails on request."""

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
    monkeypatch.setattr(stream_marks, "MARK_EVERY", 10)
    train = [Opened(f"{i}.json.gz", texts) for i, texts in enumerate((TRAIN[:25], TRAIN[25:50], TRAIN[50:]))]
    return {"train": train, "validation": [Opened("v.json.gz", VALIDATION)]}


@pytest.fixture
def stream(tokenizer, shards, tmp_path):
    """A function that opens the stream again, as a new process would, with the marks of earlier ones."""

    def open_stream(marks=tmp_path / "marks.jsonl", shards=shards, step=1, workers=1, **settings):
        settings = DocumentSettings(**{"validation_documents": 4, **settings})
        return StreamedText("made", shards, tokenizer, settings, marks, sequences_per_step=step, workers=workers)

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


def test_a_resumed_stream_opens_the_shard_of_the_nearest_mark_and_none_before(stream, shards, tmp_path):
    stream().train(0, 45)
    assert read_marks(tmp_path / "marks.jsonl") == [(0, 10, 0, 10), (0, 20, 0, 20), (0, 30, 1, 5), (0, 40, 1, 15)]
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
    marks.write_text(marks.read_text()[:30] + '\n[1]\n{"a": 2}\n[0, -1, 0, 0]\n[0, 1e3, 0, 0]\n[')
    source = stream()
    assert texts_of(source, source.train(41, 15)) == TRAIN[41:56]


def test_without_a_validation_split_the_first_documents_are_held_out_in_every_epoch(stream, shards):
    source = stream(shards={"train": shards["train"]})
    assert texts_of(source, source.validation()) == TRAIN[:4]
    assert texts_of(source, source.train(0, 60)) == TRAIN[4:] + TRAIN[4:8]


def test_holding_out_a_whole_shard_does_not_renumber_the_others(stream, shards, tmp_path):
    """The marks of a resumed run refer to shards by number."""
    source = stream(shards={"train": shards["train"]}, validation_documents=25)
    assert texts_of(source, source.train(0, 15)) == TRAIN[25:40]
    assert read_marks(tmp_path / "marks.jsonl") == [(0, 10, 1, 10)]


def test_only_the_validation_shards_that_are_needed_are_opened(stream, shards):
    needed, other = Opened("v.json.gz", VALIDATION[:4]), Opened("w.json.gz", VALIDATION[4:])
    source = stream(shards={"train": shards["train"], "validation": [needed, other]})
    assert texts_of(source, source.validation()) == VALIDATION[:4]
    assert (needed.opened, other.opened) == ([1], [])


@pytest.mark.parametrize("overflow", ["split", "pack"])
def test_sequences_of_whole_documents_are_the_same_wherever_the_stream_is_entered(stream, tokenizer, overflow):
    texts = [" ".join([text] * (1 + i % 6)) for i, text in enumerate(TRAIN)]
    shards = {"train": [Opened(f"{i}.json.gz", texts[i : i + 20]) for i in (0, 20, 40)]}
    settings = {"max_tokens": 12, "overflow": overflow, "validation_documents": 1}
    source = stream(shards=shards, **settings)
    parts = [ids for pieces in DocumentTokenizer(tokenizer, 12).split(texts[1:]) for ids in pieces]
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


def test_no_more_sequences_are_held_out_than_asked_for_however_long_a_document_is(stream, tokenizer):
    texts = [" ".join(TRAIN[:30]), *TRAIN[30:]]
    source = stream(shards={"train": [Opened("0.json.gz", texts)]}, max_tokens=12, overflow="split")
    [parts] = DocumentTokenizer(tokenizer, 12).split(texts[:1])
    assert len(parts) > 4
    assert ids_of(source.validation()) == parts[:4]
    assert texts_of(source, source.train(0, 1)) == TRAIN[30:31]  # the rest of it is not trained on


@pytest.mark.parametrize("overflow", ["truncate", "split", "pack"])
def test_documents_without_text_are_passed_over_wherever_the_stream_is_entered(stream, tmp_path, caplog, overflow):
    texts = [" ".join([text] * (1 + i % 6)) for i, text in enumerate(TRAIN)]
    empty = ["", " \n\t", "\u200b\ufeff"]
    mixed = [x for i, text in enumerate(texts) for x in ([*empty, text] if i % 3 == 0 else [text])]
    parts = [mixed[: len(mixed) // 2], mixed[len(mixed) // 2 :]]
    shards = {"train": [Opened(f"{i}.json.gz", part) for i, part in enumerate(parts)]}
    plain = {"train": [Opened(f"{i}.json.gz", [x for x in part if x not in empty]) for i, part in enumerate(parts)]}
    settings = {"max_tokens": 12, "overflow": overflow}
    expected = stream(None, plain, **settings)
    source = stream(shards=shards, **settings)
    assert source.fingerprint == expected.fingerprint
    assert ids_of(source.train(0, 250)) == ids_of(expected.train(0, 250))  # more than an epoch
    assert f"1.json.gz: left out: {sum(x in empty for x in parts[1])} empty documents" in caplog.text
    assert read_marks(tmp_path / "marks.jsonl")
    for first in (1, 19, 40, 66, 150):
        assert ids_of(stream(shards=shards, **settings).train(first, 4)) == ids_of(expected.train(first, 4))


@pytest.mark.parametrize("overflow", ["truncate", "split", "pack"])
def test_any_number_of_workers_makes_the_same_sequences(stream, overflow):
    texts = [" ".join([text] * (1 + i % 6)) for i, text in enumerate(TRAIN)]
    found = []
    for workers in (1, 2, 5):
        shards = {"train": [Opened("0.json.gz", texts)]}
        source = stream(None, shards, workers=workers, max_tokens=12, overflow=overflow)
        read = [source.read(first, 20) for first in (0, 20, 40)]
        with ThreadPoolExecutor(workers) as pool:
            found.append([ids_of(tokens) for tokens in pool.map(lambda made: made(), read)])
    assert found[0] == found[1] == found[2]


@pytest.fixture
def dealt(monkeypatch):
    """Ten shards of seven documents each, in five lanes."""
    monkeypatch.setattr(lane, "SHARDS_A_LANE", 2)
    texts = [[f"training document {7 * i + n}" for n in range(7)] for i in range(10)]
    return {"train": [Opened(f"{i}.json.gz", x) for i, x in enumerate(texts)], "validation": [Opened("v", VALIDATION)]}


def opened(shards):
    """The shards that were opened since the last call."""
    found = {i for i, shard in enumerate(shards["train"]) if shard.opened}
    for shard in shards["train"]:
        shard.opened.clear()
    return found


def of_processes(stream, shards, size, steps, step=12):
    """The texts of each step, and the shards that each process opened, when `size` processes share the steps."""
    texts, found = {at: [] for at in steps}, []
    for rank in range(size):
        source = stream(shards=shards, step=step)
        opened(shards)
        for at in steps:
            with being(World(rank, size)):
                tokens = source.train(*part(at * step, step))
            texts[at] += texts_of(source, tokens)
        found.append(opened(shards))
    return texts, found


def test_processes_read_lanes_of_their_own_and_steps_are_those_of_one_process(stream, dealt):
    alone, _ = of_processes(stream, dealt, 1, range(8))
    for size in (2, 5, 12):
        texts, found = of_processes(stream, dealt, size, range(8))
        assert texts == alone
        assert all(len({shard % 5 for shard in shards}) <= -(-5 // size) + 1 for shards in found)
    of_epoch = [text for at in range(8) for text in alone[at]]
    assert set(of_epoch) == {f"training document {i}" for i in range(70)}


def test_holding_out_from_the_first_lane_takes_nothing_from_the_others(stream, dealt):
    source = stream(shards={"train": dealt["train"]}, step=12)
    assert texts_of(source, source.validation()) == [f"training document {i}" for i in range(4)]
    texts, _ = of_processes(stream, {"train": dealt["train"]}, 1, range(8))
    trained = {text for of_step in texts.values() for text in of_step}
    assert trained == {f"training document {i}" for i in range(4, 70)}


def test_lanes_resume_at_their_marks_with_any_number_of_processes(stream, dealt, tmp_path):
    alone, _ = of_processes(stream, dealt, 1, range(9))
    assert {mark.lane for mark in read_marks(tmp_path / "marks.jsonl")} == set(range(5))
    texts, _ = of_processes(stream, dealt, 3, range(5, 9))
    assert texts == {at: alone[at] for at in range(5, 9)}
    again = stream(shards=dealt, step=12)
    opened(dealt)
    again.train(4 * 12, 2)
    assert opened(dealt) == {5}  # the second of lane 0


def test_another_order_has_another_fingerprint(stream, dealt):
    assert stream(shards=dealt, step=12).fingerprint != stream(shards=dealt, step=1).fingerprint


@given(st.integers(1, 9), st.integers(1, 40), st.integers(0, 200), st.integers(0, 90))
def test_every_sequence_has_one_place_and_lanes_are_read_without_gaps(lanes, step, first, count):
    lanes = min(lanes, step)
    known = {}
    for number in range(first + count):
        [(at, place, _)] = places(number, 1, lanes, step)
        assert place == known.get(at, -1) + 1
        known[at] = place
    found = [(at, place + n) for at, place, here in places(first, count, lanes, step) for n in range(here)]
    assert found == [next(places(n, 1, lanes, step))[:2] for n in range(first, first + count)]


def test_a_lost_connection_is_retried_at_the_next_row_until_a_clear_error(stream, shards, monkeypatch, caplog):
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


def test_documents_without_the_text_column_and_empty_streams_are_refused(stream):
    with pytest.raises(DataError, match=r"x.json.gz, line 1: no string under 'text', found 'content', 'url'"):
        stream(shards={"train": [Opened("x.json.gz", TRAIN, column="content")]})
    source = stream(shards={"train": [Opened("x.json.gz", TRAIN, column="content")]}, column="content")
    assert texts_of(source, source.train(0, 2)) == TRAIN[4:6]
    with pytest.raises(DataError, match="made: no split 'train' to train on, found: validation"):
        stream(shards={"validation": [Opened("x.json.gz", TRAIN)]})
    none = stream(shards={"train": [Opened("x.json.gz", ["", " "])], "validation": [Opened("v.json.gz", VALIDATION)]})
    with pytest.raises(DataError, match="made: the stream has no documents to train on"):
        none.train(0, 1)
    with pytest.raises(DataError, match="made: the stream has no documents with any text"):
        stream(shards={"train": [Opened("x.json.gz", ["", " "])]})


@pytest.mark.parametrize("count", [3, 4])
def test_a_stream_that_would_be_held_out_whole_is_refused(stream, count):
    held_out = f"made: all {count} documents were held out.*lower documents.validation_documents .4., or give"
    with pytest.raises(DataError, match=held_out):
        stream(shards={"train": [Opened("x.json.gz", [*TRAIN[:count], ""])]})
    last = stream(shards={"train": [Opened("x.json.gz", TRAIN[:5])]})
    assert texts_of(last, last.train(0, 2)) == [TRAIN[4]] * 2


def test_the_first_documents_are_those_of_the_first_shards(shards):
    assert first_documents("made", shards["train"], 30, DocumentSettings()) == TRAIN[:30]


def test_a_vocabulary_that_does_not_know_the_texts_is_refused(shards, tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join([*SPECIAL_TOKENS, "acg", "gta"]))
    tokenizer = wordpiece_tokenizer(tmp_path / "vocab.txt")
    with pytest.raises(DataError, match=r"made: 100% of the tokens are \[UNK\], so the vocabulary does not know"):
        StreamedText("made", shards, tokenizer, DocumentSettings())
