"""Runs whose windows grow: they end the same wherever they were stopped."""

import os
import signal
from dataclasses import replace

import pytest

from genomask.commands import dry_run
from genomask.commands.pretrain import build_run, pretrain
from genomask.errors import SettingsError, Stopped
from genomask.files.digests import WEIGHTS
from genomask.training import loop
from genomask.training.metrics_log import read_metrics


@pytest.fixture
def growing(quick_recipe):
    windows = replace(quick_recipe.windows, max_tokens=64, length_warmup=((2, 16), (1, 32)))
    return replace(quick_recipe, windows=windows, training=replace(quick_recipe.training, steps=5))


def test_a_run_whose_windows_grow_ends_with_the_same_bits_wherever_it_was_stopped(
    growing, inputs, tmp_path, monkeypatch
):
    train_one = loop.one_step

    def one_step(run, state, batch):
        train_one(run, state, batch)
        if state.done in (1, 3):
            os.kill(os.getpid(), signal.SIGTERM)

    whole, parts = tmp_path / "whole", tmp_path / "parts"
    pretrain(growing, inputs, whole)
    monkeypatch.setattr(loop, "one_step", one_step)
    for resume in (False, True):
        with pytest.raises(Stopped):
            pretrain(growing, inputs, parts, resume=resume)
    pretrain(growing, inputs, parts, resume=True)
    a, b = ((folder / "model" / WEIGHTS).read_bytes() for folder in (whole, parts))
    assert a == b
    tokens = [row["tokens"] for row in read_metrics(whole / "metrics.jsonl") if "tokens_per_second" in row]
    steps = [after - before for before, after in zip([0, *tokens], tokens, strict=False)]
    assert max(steps) < 1.5 * min(steps)
    card = (whole / "model" / "README.md").read_text()
    assert "| up to 66 tokens; 2 steps of 29 windows of up to 16 tokens, 1 step of 16 windows of up to 32" in card
    longer = replace(growing, windows=replace(growing.windows, length_warmup=((2, 32),)))
    with pytest.raises(SettingsError, match=r"'windows.length_warmup = \[\[2, 16\], \[1, 32\]\]' there"):
        pretrain(longer, inputs, parts, resume=True)


def test_a_dry_run_measures_the_longest_windows(growing, inputs, tmp_path, monkeypatch):
    monkeypatch.setattr(dry_run, "PROBE_SECONDS", 0.01)
    batches = build_run(growing, inputs, tmp_path / "run").batches
    assert batches.longest_step == 3
    assert dry_run.estimate(growing, inputs, tmp_path / "run").tokens_per_step == batches.of(3).masks.tokens
