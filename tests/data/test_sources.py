"""Sources: the stream is a pure function of seed and index, and validation stays out of it."""

import gzip
import json
import logging
import os
import tracemalloc

import numpy as np
import pytest
import torch
from in_memory import genome_of, random_sequence

from genomask.data import Genome, KmerTokenizer, token_store
from genomask.data.mixture import Component
from genomask.data.packing import pack
from genomask.data.settings import DocumentSettings
from genomask.data.sources import GenomeSource, TextSource
from genomask.data.tokenizers.kmer import CLS, SEP, SPECIAL_TOKENS
from genomask.data.tokenizers.wordpiece import train_wordpiece, wordpiece_tokenizer
from genomask.data.windows import WindowSettings, read_window
from genomask.errors import DataError, SettingsError

DOCUMENTS = [f"document number {i} tells of {word} and of no {word}" for i in range(40) for word in ("cats", "hats")]


@pytest.fixture(scope="module")
def genome(tmp_path_factory):
    folder = tmp_path_factory.mktemp("genome")
    bases = np.random.default_rng(0).choice(list("ACGT"), 30_000)
    bases[9_000:9_100] = "N"
    bases[15_000:25_000] = np.char.lower(bases[15_000:25_000])
    (folder / "g.fa").write_text(">one\n" + "".join(bases) + "\n")
    return Genome.open(folder / "g.fa", cache=folder)


@pytest.mark.parametrize(("k", "stride"), [(6, 1), (1, 1), (4, 4)])
def test_genome_sequences_are_the_kmers_of_their_windows(genome, k, stride):
    settings = WindowSettings(max_tokens=40, strand="both", repeats="weight", validation_windows=3)
    source = GenomeSource(genome, settings, KmerTokenizer(k, stride), seed=5)
    tokens = source.train(100, 30)
    windows = source.windows.train(100, 30)
    assert tokens.weights.tolist() == windows.weights.tolist()
    assert set(tokens.weights.tolist()) == {0.5, 1.0}
    assert (tokens.input_ids.dtype, tokens.cu_seqlens.dtype) == (torch.int64, torch.int32)
    for ids, start, length, reverse in zip(tokens.input_ids.split(tokens.lengths.tolist()), *windows[:3], strict=True):
        kmers = source.tokenizer.encode_bases(read_window(genome, start, length, reverse))
        assert ids.tolist() == [CLS, *kmers.tolist(), SEP]


@pytest.mark.parametrize(("k", "stride"), [(6, 1), (7, 7)])
def test_genome_validation_is_510_bases_a_window(genome, k, stride):
    source = GenomeSource(genome, WindowSettings(max_tokens=40, validation_windows=3), KmerTokenizer(k, stride), seed=5)
    tokens = source.validation()
    assert source.validation_bases.codes.shape == (3, 510)
    expected = [[CLS, *source.tokenizer.encode_bases(codes).tolist(), SEP] for codes in source.validation_bases.codes]
    assert [ids.tolist() for ids in tokens.input_ids.split(tokens.lengths.tolist())] == expected


def test_a_validation_window_at_the_start_of_a_genome_belongs_to_that_genome(genome):
    halves = Component("a", 0, 9_100, 0.5), Component("b", 9_100, 30_000, 0.5)
    settings = WindowSettings(max_tokens=40, validation_windows=4)
    source = GenomeSource(genome, settings, KmerTokenizer(3), 5, halves)
    source.windows.validation_starts = np.array([0, 8_490, 9_100, 20_000])
    assert source.validation_bases.genomes == {"a": slice(0, 2), "b": slice(2, 4)}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (WindowSettings(max_tokens=40, validation_windows=0), "evaluate on: windows.validation_windows is 0"),
        (
            WindowSettings(max_tokens=55),
            "no run of ACGT has room for a validation window .* training window of 60 bases",
        ),
    ],
)
def test_nothing_to_evaluate_on_is_refused(settings, sentence):
    genome = genome_of("ACGTAC" * 10)
    with pytest.raises(SettingsError, match=sentence):
        GenomeSource(genome, settings, KmerTokenizer(6), seed=0)


def test_contigs_shorter_than_510_are_validated_on_shorter_windows():
    genome = genome_of(*(random_sequence(300, i) for i in range(60)))
    source = GenomeSource(genome, WindowSettings(max_tokens=50), KmerTokenizer(6), seed=0)
    assert source.validation_bases.codes.shape == (8, 256)
    assert source.validation().lengths.tolist() == [256 - 5 + 2] * 8


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    for number, part in enumerate((DOCUMENTS[:30], DOCUMENTS[30:])):
        text = "".join(json.dumps({"text": x}) + "\n" for x in part)
        (folder / f"shard-{number}.json.gz").write_bytes(gzip.compress(text.encode()))
    vocab = train_wordpiece(DOCUMENTS, 300, folder / "vocab.txt")
    return folder, wordpiece_tokenizer(vocab)


def text_source(paths, tokenizer, max_tokens, held_out, seed, cache, overflow="truncate"):
    settings = DocumentSettings(max_tokens=max_tokens, validation_documents=held_out, overflow=overflow)
    return TextSource(paths, tokenizer, settings, seed, cache)


def texts_of(source, tokens):
    return [tuple(ids.tolist()) for ids in tokens.input_ids.split(tokens.lengths.tolist())]


def test_every_epoch_is_another_order_of_the_same_documents(corpus, tmp_path):
    folder, tokenizer = corpus
    source = text_source(folder, tokenizer, 128, 5, 1, tmp_path)
    assert (source.training_bases, source.validation_bases, source.manifest()) == (None, None, None)
    first, second = (texts_of(source, source.train(epoch * 75, 75)) for epoch in (0, 1))
    held_out = texts_of(source, source.validation())
    everything = {tuple(ids) for ids in tokenizer(DOCUMENTS)["input_ids"]}
    assert len(held_out) == 5
    assert set(first) == set(second) == everything - set(held_out)
    assert len(set(first)) == 75
    assert first != second


def test_the_text_stream_is_the_same_in_any_parts_and_follows_the_seed(corpus, tmp_path):
    folder, tokenizer = corpus
    source = text_source(folder, tokenizer, 128, 5, 1, tmp_path)
    whole = texts_of(source, source.train(60, 40))
    assert [x for start in range(60, 100, 8) for x in texts_of(source, source.train(start, 8))] == whole
    assert texts_of(source, text_source(folder, tokenizer, 128, 5, 2, tmp_path).train(60, 40)) != whole


def test_the_fingerprint_of_a_corpus_follows_its_documents_and_not_its_files(tmp_path, corpus):
    _, tokenizer = corpus
    one, other = tmp_path / "one.jsonl", tmp_path / "other.jsonl"
    lines = [json.dumps({"text": x}) + "\n" for x in DOCUMENTS]
    one.write_text("".join(lines))
    other.write_text("".join(lines))
    prints = [text_source(path, tokenizer, 128, 5, 1, tmp_path).fingerprint for path in (one, other)]
    other.write_text("".join(lines[:-1]))
    prints.append(text_source(other, tokenizer, 128, 5, 1, tmp_path).fingerprint)
    assert prints[0] == prints[1] != prints[2]


def test_documents_are_cut_to_max_tokens_and_a_tenth_at_most_is_held_out(corpus, tmp_path):
    folder, tokenizer = corpus
    source = text_source(folder, tokenizer, 8, 1000, 1, tmp_path)
    tokens = source.train(0, 20)
    assert tokens.lengths.tolist() == [8] * 20
    assert (tokens.input_ids[tokens.cu_seqlens[1:].long() - 1] == tokenizer.sep_token_id).all()
    assert len(source.validation_pieces) <= 8


@pytest.mark.parametrize("lengths", [(40, 40, 40), (10, 200, 10), (300, 20, 20)])
def test_one_whole_document_is_held_out_even_if_it_is_longer_than_asked_for(lengths, corpus, tmp_path):
    _, tokenizer = corpus
    path = tmp_path / "books.jsonl"
    books = [{"text": " ".join([word] * length)} for word, length in zip(("cats", "hats", "cat"), lengths, strict=True)]
    path.write_text("".join(json.dumps(book) + "\n" for book in books))
    source = text_source(path, tokenizer, 8, 2, 1, tmp_path, overflow="split")
    contents = source.store.contents
    held_out = set(contents[source.validation_pieces])
    assert len(held_out) == 1
    assert held_out.isdisjoint(contents[source.training_pieces])
    assert len(source.training_pieces) >= len(contents) / 2


def test_split_documents_keep_every_token_and_are_held_out_whole(corpus, tmp_path):
    _, tokenizer = corpus
    path = tmp_path / "long.jsonl"
    documents = [" ".join(f"{word} number {i}" for _ in range(9)) for i in range(20) for word in ("cats", "hats")]
    path.write_text("".join(json.dumps({"text": x}) + "\n" for x in documents))
    source = text_source(path, tokenizer, 12, 8, 1, tmp_path, overflow="split")
    contents = source.store.contents
    everything = np.arange(len(contents))
    pieces = texts_of(source, pack(source.store.read(everything), np.ones(len(everything))))
    assert max(map(len, pieces)) == 12
    assert all((piece[0], piece[-1]) == (tokenizer.cls_token_id, tokenizer.sep_token_id) for piece in pieces)
    whole = [token for ids in tokenizer(documents, add_special_tokens=False)["input_ids"] for token in ids]
    assert [token for piece in pieces for token in piece[1:-1]] == whole
    contents = source.store.contents
    assert not set(contents[source.validation_pieces]) & set(contents[source.training_pieces])
    assert 0 < len(source.validation_pieces) <= 8


def test_packed_documents_fill_sequences_and_no_token_is_lost_or_trained_on_twice(corpus, tmp_path):
    folder, tokenizer = corpus
    split, packed = (text_source(folder, tokenizer, 64, 8, 1, tmp_path, overflow=how) for how in ("split", "pack"))
    count = int(packed.description.split()[0])
    sequences = texts_of(packed, packed.train(0, count))
    assert max(map(len, sequences)) <= 64
    assert count < len(split.training_pieces) / 3

    def parts(sequences):
        """The documents between [SEP]s."""
        text = "".join(f"{token} " for ids in sequences for token in ids[1:])
        return sorted(part for part in text.split(f"{tokenizer.sep_token_id} ") if part)

    assert parts(sequences) == parts(texts_of(split, split.train(0, len(split.training_pieces))))
    assert texts_of(packed, packed.validation()) == texts_of(split, split.validation())


def test_duplicate_documents_are_never_split_between_training_and_validation(corpus, tmp_path):
    _, tokenizer = corpus
    path = tmp_path / "doubles.jsonl"
    path.write_text("".join(json.dumps({"text": x}) + "\n" for x in DOCUMENTS * 3))
    for seed in range(5):
        source = text_source(path, tokenizer, 128, 20, seed, tmp_path)
        train = texts_of(source, source.train(0, len(source.training_pieces)))
        assert not set(train) & set(texts_of(source, source.validation()))


def test_the_corpus_is_tokenised_once_and_again_only_when_something_changed(corpus, tmp_path, caplog):
    folder, tokenizer = corpus
    caplog.set_level(logging.INFO)

    def times_tokenised(max_tokens):
        caplog.clear()
        text_source(folder, tokenizer, max_tokens, 5, 1, tmp_path)
        tokenizer("a call that leaves its truncation behind", truncation=True, max_length=5)
        return sum("tokenising" in record.message for record in caplog.records)

    assert [times_tokenised(n) for n in (16, 16, 17, 16)] == [1, 0, 1, 0]
    assert not list((tmp_path / "text").glob(".*"))


def test_what_a_killed_process_left_is_removed_after_a_day(corpus, tmp_path):
    folder, tokenizer = corpus
    left = tmp_path / "text" / ".shard-0-left"
    left.mkdir(parents=True)
    os.utime(left, (1, 1))
    text_source(folder, tokenizer, 16, 5, 1, tmp_path)
    assert not left.exists()


@pytest.mark.parametrize("file", ["ids.bin", "offsets.npy", "contents.npy"])
@pytest.mark.parametrize("damage", ["cut", "empty", "gone", "flipped"])
def test_a_damaged_token_store_is_rebuilt(corpus, tmp_path, file, damage):
    folder, tokenizer = corpus
    first = text_source(folder, tokenizer, 128, 5, 1, tmp_path)
    before = texts_of(first, first.train(0, 75))
    victim = next((tmp_path / "text").glob(f"*/{file}"))
    content = victim.read_bytes()
    victim.unlink()
    if damage != "gone":
        cut = content[: len(content) // 4 * 2]  # whole ids of two bytes
        flipped = content[:-2] + bytes([content[-2] ^ 1]) + content[-1:]
        victim.write_bytes({"cut": cut, "flipped": flipped}.get(damage, b""))
    again = text_source(folder, tokenizer, 128, 5, 1, tmp_path)
    assert texts_of(again, again.train(0, 75)) == before
    assert [path.name for path in (tmp_path / "text").iterdir()] == [victim.parent.name]


def test_building_a_store_holds_few_bytes_in_memory_for_each_sequence(corpus, tmp_path, monkeypatch):
    _, tokenizer = corpus
    count, held, save = 1500, [], np.save
    (tmp_path / "c.jsonl").write_text("".join(json.dumps({"text": f"document {i}"}) + "\n" for i in range(count)))

    def saved(*args, **kwargs):
        held.append(tracemalloc.take_snapshot())
        save(*args, **kwargs)

    monkeypatch.setattr(np, "save", saved)
    tracemalloc.start()
    text_source(tmp_path / "c.jsonl", tokenizer, 16, 5, 1, tmp_path)
    tracemalloc.stop()
    made_here = held[1].filter_traces([tracemalloc.Filter(True, token_store.__file__)])
    of_each = sum(line.size for line in made_here.statistics("filename")) / count
    assert of_each < 30  # twice what is saved, a hash of 8 and a length of 4, with room to grow


def test_a_bad_shard_leaves_no_half_built_store(corpus, tmp_path):
    _, tokenizer = corpus
    path = tmp_path / "bad.jsonl"
    path.write_text(json.dumps({"text": "fine"}) + "\nnot json\n")
    with pytest.raises(DataError, match="line 2: not JSON"):
        text_source(path, tokenizer, 16, 5, 1, tmp_path)
    assert not list((tmp_path / "text").iterdir())


@pytest.mark.parametrize(
    ("texts", "message"),
    [([""], "no document with any text"), (["a cat"], "none of 1 sequence"), (["a"] * 9, "none of 9 seq")],
)
def test_a_corpus_too_small_to_hold_anything_out_is_refused(corpus, tmp_path, texts, message):
    _, tokenizer = corpus
    path = tmp_path / "small.jsonl"
    path.write_text("".join(json.dumps({"text": x}) + "\n" for x in texts))
    with pytest.raises(DataError, match=message):
        text_source(path, tokenizer, 16, 5, 1, tmp_path)


@pytest.mark.parametrize("overflow", ["truncate", "split", "pack"])
@pytest.mark.parametrize("known", [["acg", "gta"], ["of", "no"]])
def test_a_vocabulary_that_does_not_know_the_texts_is_refused(corpus, tmp_path, known, overflow):
    folder, _ = corpus
    (tmp_path / "vocab.txt").write_text("\n".join([*SPECIAL_TOKENS, *known]))
    tokenizer = wordpiece_tokenizer(tmp_path / "vocab.txt")
    for _ in range(2):  # also with a corpus that was tokenised before
        with pytest.raises(DataError, match=r"shard-0\.json\.gz: \d+% of the tokens are \[UNK\], so the vocabulary"):
            text_source(folder, tokenizer, 16, 5, 1, tmp_path, overflow)
