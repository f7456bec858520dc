"""Several runs in one picture: what a second of training is, and what distinguishes runs."""

import re

import pandas as pd
import pytest

from genomask.report.run_curves import run_curves, with_seconds
from genomask.report.style import HUES, STRATEGY_HUES

LOSS, HELD_OUT, BITS = "loss_nats_per_masked_token", "eval_loss_nats_per_masked_token", "eval_bits_per_hidden_base"
ROWS = [
    {"step": 10, "tokens": 1_000, "tokens_per_second": 100.0, LOSS: 3.0},
    {"step": 10, HELD_OUT: 2.9, BITS: 1.97},
    {"step": 20, "tokens": 3_000, "tokens_per_second": 1_000.0, LOSS: 2.0},
    {"step": 20, HELD_OUT: 1.9, BITS: 1.95},
]


def texts(svg):
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg.read_text())


def test_seconds_are_those_of_training_at_the_logged_speeds():
    frame = with_seconds(ROWS)
    assert frame["tokens"].tolist() == [1_000, 1_000, 3_000, 3_000]
    assert frame["seconds"].tolist() == [10, 10, 12, 12]


@pytest.mark.parametrize("rows", [[{"step": 1, HELD_OUT: 2.0}], [{"step": 5, "tokens": 9, "tokens_per_second": 0}]])
def test_without_a_speed_there_are_no_seconds(rows):
    assert with_seconds(rows)["seconds"].tolist() == [0]


def test_runs_are_drawn_over_steps_tokens_and_seconds(tmp_path):
    frame = with_seconds(ROWS)
    for kind in ("svg", "png"):
        run_curves({"a": frame, "_b": frame}, {"a": "genemask", "_b": "uniform"}, tmp_path / f"x.{kind}")
    shown = texts(tmp_path / "x.svg")
    assert {"steps", "tokens", "seconds of training", "nats per masked token", "bits per hidden base"} <= set(shown)
    assert {"a", " _b"} <= set(shown)
    assert (tmp_path / "x.png").stat().st_size > 10_000


def test_text_has_no_panel_of_bits(tmp_path):
    run_curves({"a": with_seconds(ROWS).drop(columns=BITS)}, {"a": "whole-word"}, tmp_path / "x.svg")
    assert "bits per hidden base" not in texts(tmp_path / "x.svg")


def test_a_strategy_has_its_colour_until_dashes_run_out(tmp_path):
    def colours(n):
        names = [f"run {at}" for at in range(n)]
        frames: dict[str, pd.DataFrame] = dict.fromkeys(names, with_seconds(ROWS))
        run_curves(frames, dict.fromkeys(names, "genemask"), tmp_path / "x.svg")
        return {hue for hue in HUES.values() if hue in (tmp_path / "x.svg").read_text()}

    assert colours(3) == {HUES[STRATEGY_HUES["genemask"]]}
    assert len(colours(4)) == 4
