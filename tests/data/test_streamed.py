"""Streaming, on local files in C4's layout: document i is document i, however the stream came there."""

import gzip
import json
import shutil

import datasets
import pytest

from genomask.data import streamed
from genomask.data.settings import DocumentSettings
from genomask.data.streamed import StreamedText
from genomask.data.tokenizers.wordpiece import split_documents, train_wordpiece, wordpiece_tokenizer
from genomask.errors import DataError

TRAIN = [f"training document {i}" for i in range(60)]
VALIDATION = [f"document {i} for validation" for i in range(10)]


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


@pytest.fixture
def stream(tmp_path):
    """A function that opens the stream anew, as a new process would."""
    files = {"train": [], "validation": []}
    for number, (split, texts) in enumerate(
        [("train", TRAIN[:25]), ("train", TRAIN[25:50]), ("train", TRAIN[50:]), ("validation", VALIDATION)]
    ):
        path = tmp_path / f"c4-{split}.{number:05d}.json.gz"
        rows = [json.dumps({"text": x, "timestamp": "2019-04-25T12:57:54Z", "url": "http://a.b"}) for x in texts]
        path.write_bytes(gzip.compress("\n".join(rows).encode()))
        files[split].append(str(path))
    tokenizer = wordpiece_tokenizer(train_wordpiece(TRAIN + VALIDATION, 300, tmp_path / "vocab.txt"))
    origin = {"path": "json", "data_files": files}

    def open_stream(max_tokens=128, overflow="truncate"):
        settings = DocumentSettings(max_tokens=max_tokens, overflow=overflow, validation_documents=4)
        return StreamedText(tokenizer, settings, cache=tmp_path / "cache", origin=origin)

    return open_stream


def ids_of(tokens):
    return [ids.tolist() for ids in tokens.input_ids.split(tokens.lengths.tolist())]


def lengthened(text):
    """A document of one sequence or several."""
    return " ".join([text] * (1 + sum(map(ord, text)) % 6))


def split(source, texts, max_tokens):
    documents = split_documents(source.tokenizer, [lengthened(text) for text in texts], max_tokens)
    return [ids for pieces in documents for ids in pieces]


def texts_of(source, tokens):
    parts = tokens.input_ids.split(tokens.lengths.tolist())
    return [source.tokenizer.decode(ids, skip_special_tokens=True) for ids in parts]


def test_documents_come_in_order_whatever_was_read_before(stream):
    source = stream()
    assert texts_of(source, source.train(0, 10)) == TRAIN[:10]
    assert texts_of(source, source.train(10, 10)) == TRAIN[10:20]
    assert texts_of(source, source.train(35, 10)) == TRAIN[35:45]  # forward, as one of several ranks does
    assert texts_of(source, source.train(5, 3)) == TRAIN[5:8]  # back
    assert texts_of(source, stream().train(48, 4)) == TRAIN[48:52]  # resumed


def test_after_the_last_document_comes_the_first_again(stream):
    source = stream()
    assert texts_of(source, source.train(55, 70)) == TRAIN[55:] + TRAIN + TRAIN[:5]
    assert texts_of(source, stream().train(155, 7)) == [*TRAIN[35:42]]


def test_a_resumed_stream_starts_from_the_nearest_mark(stream, monkeypatch):
    monkeypatch.setattr(streamed, "MARK_EVERY", 10)
    source = stream()
    source.train(0, 45)
    assert sorted(source.read_marks()) == [10, 20, 30, 40]
    again = stream()
    read = []
    monkeypatch.setattr(streamed, "text_of", lambda row: read.append(row) or row["text"])
    assert texts_of(again, again.train(41, 15)) == TRAIN[41:56]
    assert len(read) == 16  # documents 40 .. 55
    assert texts_of(again, again.train(30, 2)) == TRAIN[30:32]


def test_damaged_marks_are_passed_over_and_a_cache_that_cannot_be_used_gets_its_sentence(stream, tmp_path, monkeypatch):
    monkeypatch.setattr(streamed, "MARK_EVERY", 10)
    stream().train(0, 45)
    (file,) = (tmp_path / "cache" / "streams").iterdir()
    file.write_text(file.read_text()[:50])
    source = stream()
    assert texts_of(source, source.train(41, 15)) == TRAIN[41:56]
    shutil.rmtree(tmp_path / "cache")
    (tmp_path / "cache").write_text("not a folder")
    with pytest.raises(DataError, match=r"the cache cannot be used .* Set GENOMASK_CACHE"):
        stream().train(0, 1)


def test_documents_are_cut_and_validation_is_the_other_split(stream, monkeypatch):
    whole = stream()
    assert texts_of(whole, whole.validation()) == VALIDATION[:4]
    assert whole.fingerprint == stream().fingerprint
    monkeypatch.setattr(streamed, "text_of", lambda row: row["text"] + " and more words than there is room for")
    source = stream(max_tokens=8)
    assert source.train(0, 3).lengths.tolist() == [8, 8, 8]
    assert len({whole.fingerprint, source.fingerprint, stream(max_tokens=9).fingerprint}) == 3


def test_split_documents_keep_every_token_wherever_the_stream_is_entered(stream, monkeypatch):
    monkeypatch.setattr(streamed, "text_of", lambda row: lengthened(row["text"]))
    monkeypatch.setattr(streamed, "MARK_EVERY", 10)
    for max_tokens in (8, 9):  # in one cache: the marks of one are of no use to the other
        source = stream(max_tokens, overflow="split")
        whole, held_out = (split(source, texts, max_tokens) for texts in (TRAIN, VALIDATION))
        assert ids_of(source.train(0, len(whole) + 5)) == whole + whole[:5]
        assert len(source.read_marks()) > 5
        for first in (0, 9, 10, 37, len(whole) - 2, 3 * len(whole) + 11):
            again = stream(max_tokens, overflow="split")
            assert ids_of(again.train(first, 4)) == (whole * 5)[first : first + 4]
        assert ids_of(source.validation()) == held_out[:4]


def test_a_hub_that_cannot_be_reached_is_one_sentence(stream):
    with pytest.raises(DataError, match=r"^allenai/c4: the stream cannot be read .* the connection to http") as caught:
        StreamedText(stream().tokenizer, DocumentSettings())
    assert "\n" not in str(caught.value)


def test_documents_without_text_are_refused(tmp_path, stream):
    path = tmp_path / "other.jsonl"
    path.write_text('{"content": "x"}\n')
    origin = {"path": "json", "data_files": {"train": [str(path)], "validation": [str(path)]}}
    with pytest.raises(DataError, match="have no 'text', only: content"):
        StreamedText(stream().tokenizer, DocumentSettings(), cache=tmp_path, origin=origin)
