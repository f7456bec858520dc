"""C4's layout: what is read, and the error for each way a shard can be bad."""

import gzip
import json

import pytest

from genomask.data.settings import ReadingSettings
from genomask.data.text import corpus_files, read_documents
from genomask.errors import DataError


def lines(*texts):
    return "".join(json.dumps({"text": text, "timestamp": "", "url": ""}) + "\n" for text in texts)


def test_shards_of_every_ending_are_read_in_the_order_of_their_names(tmp_path):
    (tmp_path / "b.json.gz").write_bytes(gzip.compress(lines("three").encode()))
    (tmp_path / "a.jsonl").write_text(lines("one\nline", "zwei ß") + "\n")
    (tmp_path / "c.jsonl.gz").write_bytes(gzip.compress(lines("four").encode()))
    (tmp_path / "d.json").write_text(lines("five").rstrip())
    (tmp_path / "notes.txt").write_text("not a shard")
    files = corpus_files(tmp_path)
    assert list(read_documents(files)) == ["one\nline", "zwei ß", "three", "four", "five"]
    assert corpus_files([files[2], files[0]]) == [files[2], files[0]]


BAD_LINES = {
    "not JSON": ("once upon a time\n", "line 2: not JSON"),
    "not an object": ('["text"]\n', "line 2: not a JSON object"),
    "no text": ('{"content": "x", "url": ""}\n', "line 2: no string under 'text', found 'content', 'url'"),
    "text is a number": ('{"text": 3}\n', "line 2: no string under 'text' but 3"),
    "text is null": ('{"text": null}\n', "line 2: no string under 'text' but null"),
    "an escape in a name": ('{"\\u001b[2J": 1}\n', "line 2: no string under 'text', found '\\x1b[2J'"),
    "nested without end": ("[" * 100_000 + "\n", "line 2: not JSON"),
}


@pytest.mark.parametrize("case", BAD_LINES)
def test_a_bad_line_is_named(tmp_path, case):
    line, message = BAD_LINES[case]
    path = tmp_path / "shard.jsonl"
    path.write_text(lines("fine") + line)
    with pytest.raises(DataError) as caught:
        list(read_documents([path]))
    assert str(caught.value).startswith(f"{path}, {message}")
    assert "\n" not in str(caught.value)


def test_bad_rows_and_the_cut_end_of_a_shard_are_skipped_on_request_and_logged(tmp_path, caplog):
    path, cut = tmp_path / "shard.jsonl", tmp_path / "cut.jsonl.gz"
    path.write_bytes(lines("one").encode() + b'{"text": 3}\n\xff\n' + lines("two").encode())
    cut.write_bytes(gzip.compress(lines(*(f"{i} {i * 7919 % 10007}" for i in range(90_000))).encode())[:-30])
    texts = list(read_documents([path, cut, path], ReadingSettings(bad="skip")))
    assert (texts[:2], texts[-2:]) == (["one", "two"], ["one", "two"])
    assert 20_000 < len(texts) < 90_004
    assert f"{path}: bad rows skipped: 2; the first: {path}, line 2: no string under 'text' but 3" in caplog.text
    assert f"{cut}: cut short or damaged after line {len(texts) - 4}" in caplog.text
    with pytest.raises(DataError, match=r"line 2: .* Or skip what is bad: --set documents.bad=skip"):
        list(read_documents([path]))


def test_half_characters_are_read_as_the_replacement_character_and_counted(tmp_path, caplog):
    (tmp_path / "a.jsonl").write_text(lines("fine ü", "half \ud83d of one", "\udc00\ud800", "whole \U0001f600"))
    assert list(read_documents([tmp_path / "a.jsonl"])) == [
        "fine ü", "half \ufffd of one", "\ufffd\ufffd", "whole \U0001f600"
    ]  # fmt: skip
    assert f"{tmp_path / 'a.jsonl'}: documents with half characters (lone surrogates), read as U+FFFD: 2" in caplog.text


def test_a_shard_that_is_cut_short_or_empty_or_absent_is_named(tmp_path):
    cut = tmp_path / "cut.json.gz"
    cut.write_bytes(gzip.compress("".join(lines(str(i)) for i in range(5000)).encode())[:-30])
    (tmp_path / "empty.jsonl").write_text("")
    for path, message in [
        (cut, "cut short or damaged after line"),
        (tmp_path / "empty.jsonl", "the file is empty"),
        (tmp_path / "absent.jsonl", "no such file"),
    ]:
        with pytest.raises(DataError, match=message):
            list(read_documents([path]))


def test_a_folder_without_shards_and_a_shard_given_twice_are_refused(tmp_path):
    for none in (tmp_path, tmp_path / "*.jsonl"):
        with pytest.raises(DataError, match="no file here ends in"):
            corpus_files(none)
    (tmp_path / "a.jsonl").write_text(lines("x"))
    assert corpus_files(tmp_path / "*.jsonl") == [tmp_path / "a.jsonl"]
    with pytest.raises(DataError, match="given twice"):
        corpus_files([tmp_path, tmp_path / "a.jsonl"])


def test_the_c4_sample_is_read(shared_data):
    texts = list(read_documents([shared_data / "text" / "c4" / "c4-sample.30docs.jsonl.gz"]))
    assert len(texts) == 30
    assert texts[0].startswith("The woman who died after falling")
