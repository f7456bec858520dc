import json

from genomask.data.tokenizers import vocabularies
from genomask.data.tokenizers.vocabularies import vocabulary_of_files, vocabulary_of_stream
from genomask.data.tokenizers.wordpiece import wordpiece_tokenizer, write_vocabulary

TEXTS = ["the cat sat on the mat", "the dog sat near the cat"]


def test_word_pieces_of_a_corpus_are_learned_once_and_progress_is_logged(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("genomask.terminal.progress.LINE_SECONDS", 0)
    caplog.set_level("INFO", logger="genomask")
    shard = tmp_path / "shard.jsonl"
    shard.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    learned = vocabulary_of_files([shard], 256)
    assert {"cat", "mat", "near"} <= set(learned.read_text().split())
    assert caplog.messages[0] == "learning up to 256 word pieces from the corpus"
    assert any(line.startswith("learning word pieces: 2 documents") for line in caplog.messages)
    caplog.clear()
    assert vocabulary_of_files([shard], 256) == learned
    assert caplog.messages == []


def test_word_pieces_of_a_stream_are_cached_by_the_content_of_its_first_documents(caplog):
    caplog.set_level("INFO", logger="genomask")
    first = vocabulary_of_stream(TEXTS, 256)
    assert "from the stream's first 2 documents" in caplog.messages[0]
    assert vocabulary_of_stream(list(TEXTS), 256) == first
    assert vocabulary_of_stream(TEXTS[::-1], 256) != first
    assert vocabulary_of_stream(TEXTS, 300) != first
    assert len(caplog.messages) == 3


def test_a_failed_download_of_berts_vocabulary_is_logged_and_returns_none(caplog, monkeypatch):
    def refuse(*_):
        raise OSError("404 Client Error.\nRequest ID: 12")

    monkeypatch.setattr(vocabularies, "hf_hub_download", refuse)
    assert vocabularies.bert_vocabulary() is None
    assert caplog.messages == ["bert-base-uncased's word pieces cannot be downloaded from the hub (404 Client Error.)"]


def test_a_vocabulary_that_is_written_down_reads_back_with_the_same_ids(tmp_path):
    tokenizer = wordpiece_tokenizer(vocabulary_of_stream(TEXTS, 256))
    write_vocabulary(tokenizer.get_vocab(), tmp_path / "vocab.txt")
    assert wordpiece_tokenizer(tmp_path / "vocab.txt").get_vocab() == tokenizer.get_vocab()
