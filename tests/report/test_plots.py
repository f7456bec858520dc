"""The pictures: what they show is in their SVG as text, so it can be read back."""

import re

import pandas as pd
import pytest

from genomask.errors import UserError
from genomask.report.plots import fewshot_curves, learning_curves, verdict_forest
from genomask.report.style import HUES, strategy_colours


def texts(svg) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg.read_text())


def test_learning_curves_show_each_strategy_once_beside_its_yardsticks(runs, yardsticks, tmp_path):
    path = tmp_path / "pictures" / "learning.svg"
    learning_curves(runs, path, yardsticks)
    shown = texts(path)
    assert [shown.count(name) for name in ("random-span", "genemask")] == [1, 1]
    assert {"ln V 5.545", "unigrams 5.410", "order-0 1.991", "order-5 1.958"} <= set(shown)
    assert {"flank floor 2.200", "flank floor 2.400"} <= set(shown)  # each strategy's own
    assert "bits per hidden base" in shown


def test_a_run_on_text_has_no_panel_of_bases(runs, tmp_path):
    frame = runs["genemask/seed 0"].drop(columns="eval_bits_per_hidden_base")
    yardsticks = {"wordpiece": {"ln_vocabulary_nats": 10.3, "unigram_entropy_nats": 7.1, "flank_floor_nats": None}}
    learning_curves({"wordpiece": frame}, tmp_path / "text.svg", yardsticks)
    shown = texts(tmp_path / "text.svg")
    assert "unigrams 7.100" in shown
    assert not any("base" in text or "flank" in text for text in shown)


def test_a_run_that_has_only_begun_is_drawn(tmp_path):
    learning_curves({"run": pd.DataFrame([{"step": 1, "loss_nats_per_masked_token": 8.3}])}, tmp_path / "one.png")
    assert (tmp_path / "one.png").stat().st_size > 0


def test_fewshot_curves_name_every_curve_and_panel(summary, tmp_path):
    fewshot_curves(pd.concat([summary, summary.assign(task="other")]), tmp_path / "fewshot.svg")
    shown = texts(tmp_path / "fewshot.svg")
    assert {"kinds", "other", "genemask, probe", "random-span, finetune", "kmer-logreg", "10", "50"} <= set(shown)
    assert not any(text.startswith("-,") for text in shown)


def test_the_forest_says_what_was_tested_and_what_was_not(verdict, seed_differences, tmp_path):
    verdict_forest(verdict, seed_differences, tmp_path / "verdict.svg", "random-span")
    shown = [text.replace("&lt;", "<") for text in texts(tmp_path / "verdict.svg")]
    assert "+1.3 [+0.4, +2.2], p 0.012" in shown
    assert "−2.1 [−3.3, −0.9], p < 0.001" in shown
    assert "−6.0, not tested: 2 seeds" in shown


def test_the_same_numbers_make_the_same_picture(summary, tmp_path):
    for folder in ("a", "b"):
        fewshot_curves(summary, tmp_path / folder / "fewshot.svg")
    assert (tmp_path / "a/fewshot.svg").read_bytes() == (tmp_path / "b/fewshot.svg").read_bytes()


def test_a_strategy_keeps_its_colour_and_no_two_share_one():
    assert strategy_colours(["genemask"])["genemask"] == strategy_colours(["uniform", "genemask"])["genemask"]
    six = strategy_colours(["span", "genemask", "fixed-span", "random-span", "contiguous", "uniform"])
    assert set(six.values()) == set(HUES.values())


def test_an_unknown_picture_format_is_refused_by_name(summary, tmp_path):
    with pytest.raises(UserError, match=r"fewshot\.bmp: a picture is saved as"):
        fewshot_curves(summary, tmp_path / "fewshot.bmp")
