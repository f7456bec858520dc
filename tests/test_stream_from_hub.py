"""`genomask pretrain --corpus c4` as it is typed, against a hub on this machine."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from genomask.data.tokenizers.kmer import SPECIAL_TOKENS
from genomask.data.tokenizers.saved import open_tokenizer
from genomask.data.tokenizers.wordpiece import train_wordpiece
from genomask.recipe import load_recipe, recipe_to_toml
from genomask.training.metrics_log import read_metrics

TEXTS = [f"the cat number {i} sat on mat {i * 7 % 50} near dog {i * 3 % 40}" for i in range(60)]
QUICK = (
    "tokens.vocab_size=256", "documents.validation_documents=4", "encoder.num_hidden_layers=1",
    "encoder.hidden_size=16", "encoder.num_attention_heads=2", "encoder.intermediate_size=16",
    "training.steps=6", "training.sequences_per_step=8", "optimizer.warmup_steps=1",
)  # fmt: skip


class Session(NamedTuple):
    """How the commands of one process ended."""

    folder: Path
    said: str
    ended: dict[str, tuple[int, float]]
    asked: list[str]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    folder = tmp_path_factory.mktemp("stream")
    shard, recipe = folder / "shard.json.gz", folder / "quick.toml"
    shard.write_bytes(gzip.compress("".join(json.dumps({"text": text}) + "\n" for text in TEXTS).encode()))
    recipe.write_text(recipe_to_toml(load_recipe("c4-tiny", QUICK)))
    berts = train_wordpiece(["other words", "than those of the stream"], 256, folder / "bert-vocab.txt")
    command = [sys.executable, "stream_session.py", *map(str, (recipe, shard, berts, folder))]
    environment = os.environ | {"GENOMASK_CACHE": str(folder / "cache")}
    done = subprocess.run(
        command, cwd=Path(__file__).parent, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    last: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return Session(folder, " ".join(done.stderr.split()), last["ended"], last["asked"])


def test_c4_is_read_with_berts_word_pieces_where_the_hub_has_them(session):
    assert session.ended["bert"][0] == 0
    assert "the word pieces are those of bert-base-uncased, from the hub" in session.said
    berts = (session.folder / "bert-vocab.txt").read_bytes()
    assert (session.folder / "bert" / "vocab.txt").read_bytes() == berts
    assert (session.folder / "bert" / "model" / "config.json").exists()


def test_only_the_word_pieces_of_the_tokenizer_are_fetched(session):
    files = {asked.rpartition("/")[2] for asked in session.asked if "bert-base-uncased" in asked}
    assert files == {"vocab.txt"}


def test_without_berts_word_pieces_they_are_learned_and_that_is_reported(session):
    assert "bert-base-uncased's word pieces cannot be downloaded from the hub (404" in session.said
    assert "learning up to 256 word pieces from the stream's first 120 documents" in session.said
    learned = (session.folder / "learned" / "vocab.txt").read_text().split()
    assert learned[: len(SPECIAL_TOKENS)] == list(SPECIAL_TOKENS)
    assert {"cat", "sat", "mat", "near", "dog"} <= set(learned)


def test_a_resumed_stream_keeps_the_word_pieces_it_began_with(session):
    """Even if the hub has BERT's by then."""
    assert (session.ended["stopped"][0], session.ended["resumed"][0]) == (143, 0)
    run = session.folder / "learned"
    assert [row["step"] for row in read_metrics(run / "metrics.jsonl") if "learning_rate" in row] == [1, 2, 3, 4, 5, 6]
    vocab = open_tokenizer(run / "model").get_vocab()
    assert sorted(vocab, key=vocab.__getitem__) == (run / "vocab.txt").read_text().split()


def test_any_data_set_of_the_hub_can_be_streamed_by_name(session):
    assert session.ended["table"][0] == 0
    assert "a stream of some/table to train on (1 shard), 4 sequences held out" in session.said


def test_a_busy_hub_and_a_cut_connection_are_retried(session):
    """The session checks that both happened, and other tests that the runs ended well."""
    asked = [asked for asked in session.asked if asked.startswith("GET") and asked.endswith("c4-train.0-of-2.json.gz")]
    assert len(asked) >= 3


def test_a_hub_that_cannot_be_reached_is_one_clear_error_within_seconds(session):
    code, seconds = session.ended["unreachable"]
    assert code == 2
    assert seconds < 20
    assert "error: allenai/c4: the stream cannot be read (" in session.said
    assert "Retrying" not in session.said.rpartition("INFO masking")[2]
    assert not (session.folder / "unreachable").exists()
