"""The short form of benchmarks/chaos.py: a run that is killed twice ends as one that was not."""

import importlib
import shutil
from pathlib import Path

import pytest
from fork_server import fork_server

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SHORT = (
    "tokens.k=3", "windows.max_tokens=64", "windows.validation_windows=4", "encoder.hidden_size=32",
    "encoder.num_attention_heads=2", "encoder.intermediate_size=32", "encoder.hidden_dropout_prob=0.1",
    "training.steps=16", "training.sequences_per_step=8", "training.tokens_per_microbatch=300", "training.log_every=1",
    "training.checkpoint_every=3", "evaluation.every=4", "optimizer.warmup_steps=4", "training.device=cpu",
    "training.precision=fp32", "masking.match=none",  # there is nothing to kill in solving for a rate
)  # fmt: skip


@pytest.fixture
def chaos(monkeypatch):
    fork_server()  # its runs start from this one
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("chaos")


def test_a_killed_run_ends_with_the_same_bits_as_one_that_was_not_killed(chaos, tmp_path):
    row = chaos.chaos(tmp_path, kills=2, bases=20_000, seed=0, settings=SHORT)
    assert (row["kills"], row["differences"]) == (2, [])
    assert "bit for bit" in chaos.sentence(row)
    shutil.copytree(tmp_path / "alone", tmp_path / "other")
    for damage in ("model/model.safetensors", "checkpoints/step-15/optimizer.safetensors", "metrics.jsonl"):
        path = tmp_path / "other" / damage
        kept = path.read_bytes()
        path.write_bytes(kept.replace(b"4", b"5") if damage == "metrics.jsonl" else kept[:-1] + b"!")
        assert chaos.compared(tmp_path / "alone", tmp_path / "other") == [damage]
        path.write_bytes(kept)
    assert chaos.compared(tmp_path / "alone", tmp_path / "other") == []
