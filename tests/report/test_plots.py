"""The pictures: their SVG holds what they show as text, so it can be read back."""

import re
import warnings
from itertools import combinations
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from genomask.errors import UserError
from genomask.masking import STRATEGIES
from genomask.report import style
from genomask.report.plots import fewshot_curves, learning_curves, verdict_forest
from genomask.report.style import HUES, INK, MUTED, STRATEGY_HUES, picture, strategy_colours

DICHROMATS = {
    "none": np.eye(3),
    "protan": np.array([[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.0520]]),
    "deutan": np.array([[0.3673, 0.8606, -0.2280], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9689]]),
    "tritan": np.array([[1.2555, -0.0767, -0.1788], [-0.0784, 0.9308, 0.1476], [0.0047, 0.6914, 0.3039]]),
}
"""What is left of the light of the three primaries (Machado, Oliveira and Fernandes, 2009)."""
CONES = np.array([[0.4122, 0.5363, 0.0514], [0.2119, 0.6807, 0.1074], [0.0883, 0.2817, 0.6300]])
OKLAB = np.array([[0.2105, 0.7936, -0.0041], [1.9780, -2.4286, 0.4506], [0.0259, 0.7828, -0.8087]])


def texts(svg) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg.read_text())


def test_learning_curves_show_each_strategy_once_beside_its_baselines(runs, baselines, tmp_path):
    path = tmp_path / "pictures" / "learning.svg"
    learning_curves(runs, path, baselines)
    shown = texts(path)
    assert [shown.count(name) for name in ("random-span", "genemask")] == [1, 1]
    assert {"ln V 5.545", "unigrams 5.410", "order-0 1.991", "order-5 1.958"} <= set(shown)
    assert {"flank floor 2.200", "flank floor 2.400"} <= set(shown)  # each strategy's own
    assert "bits per hidden base" in shown


def test_a_run_on_text_has_no_panel_of_bases(runs, tmp_path):
    frame = runs["genemask/seed 0"].drop(columns="eval_bits_per_hidden_base")
    baselines = {"wordpiece": {"ln_vocabulary_nats": 10.3, "unigram_entropy_nats": 7.1, "flank_floor_nats": None}}
    learning_curves({"wordpiece": frame}, tmp_path / "text.svg", baselines)
    shown = texts(tmp_path / "text.svg")
    assert "unigrams 7.100" in shown
    assert not any("base" in text or "flank" in text for text in shown)


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 60])
def test_steps_are_whole_numbers(steps, tmp_path):
    rows = [{"step": step, "loss_nats_per_masked_token": 8.5 - step / 100} for step in range(1, steps + 1)]
    learning_curves({"run": pd.DataFrame(rows)}, tmp_path / "few.svg")
    panel = (tmp_path / "few.svg").read_text()
    ticks = re.findall(r'id="xtick_\d+">.*?<text[^>]*>([^<]*)</text>', panel, flags=re.DOTALL)
    assert ticks
    assert all(re.fullmatch(r"-?\d+|−\d+", tick) for tick in ticks)
    assert len(ticks) == len(set(ticks))


def test_a_run_that_has_only_begun_is_drawn(tmp_path):
    learning_curves({"run": pd.DataFrame([{"step": 1, "loss_nats_per_masked_token": 8.3}])}, tmp_path / "one.png")
    assert (tmp_path / "one.png").stat().st_size > 0


def test_fewshot_curves_name_every_curve_and_panel(summary, tmp_path):
    fewshot_curves(pd.concat([summary, summary.assign(task="other")]), tmp_path / "fewshot.svg")
    shown = texts(tmp_path / "fewshot.svg")
    assert {"task kinds", "task other", "genemask, probe", "random-span, finetune", "10", "50"} <= set(shown)
    assert {"kmer-logreg", "random-init, probe", "random-init, finetune"} <= set(shown)
    assert not any(text.startswith("-,") for text in shown)


def test_odd_names_are_shown_and_leave_the_picture_whole(summary, tmp_path):
    fewshot_curves(summary.assign(task="a\x1b<b> & c"), tmp_path / "odd.svg")
    ElementTree.parse(tmp_path / "odd.svg")
    assert any(text.startswith("task a\\x1b") for text in texts(tmp_path / "odd.svg"))
    learning_curves({"_mine": pd.DataFrame([{"step": 1, "loss_nats_per_masked_token": 8.3}])}, tmp_path / "run.svg")
    assert any("_mine" in text for text in texts(tmp_path / "run.svg"))


def test_no_two_fewshot_curves_look_alike(summary, tmp_path):
    fewshot_curves(summary, tmp_path / "fewshot.svg")
    text = (tmp_path / "fewshot.svg").read_text()
    legend = text[text.index('<g id="legend_1">') :]
    lines = re.findall(r'style="fill: none; (?:stroke-dasharray: ([^;]*); )?[^"]*stroke: (#[0-9a-f]{6})', legend)
    assert len(lines) == len(set(lines)) == 7
    assert {colour for _, colour in lines} == {HUES["blue"], HUES["vermilion"], INK, MUTED}


def test_the_axis_of_accuracy_begins_at_a_number_and_says_so(summary, tmp_path):
    summary["accuracy"] = 0.934 + summary["accuracy"] / 100
    fewshot_curves(summary, tmp_path / "fewshot.svg")
    shown = texts(tmp_path / "fewshot.svg")
    [label] = [text for text in shown if text.startswith("accuracy")]
    start = re.fullmatch(r"accuracy, % \(axis from (\d+)\)", label)[1]
    numbers = [float(text) for text in shown if re.fullmatch(r"[\d.]+", text)]
    assert float(start) == min(number for number in numbers if number > 50)  # 50 is a number of examples


@pytest.mark.parametrize("accuracy", [0.0, 11 / 21, 1.0])
def test_a_single_accuracy_without_spread_can_be_drawn(summary, tmp_path, accuracy):
    fewshot_curves(summary[:1].assign(accuracy=accuracy, accuracy_half_width=0.0), tmp_path / "fewshot.svg")
    assert any(text.startswith("accuracy") for text in texts(tmp_path / "fewshot.svg"))


def test_points_stand_close_to_their_number_of_examples(summary, tmp_path):
    fewshot_curves(summary, tmp_path / "fewshot.svg")
    panel = (tmp_path / "fewshot.svg").read_text().split('<g id="legend_1">')[0]
    first, second, *marks = (float(x) for x in re.findall(r'<use xlink:href="#\w+" x="([\d.]+)"', panel))
    step = second - first
    points = [x for x in marks if x > first - 0.35 * step]  # further left are the ticks of the y axis
    assert len(points) == 7 * 2
    assert max(min(abs(x - first), abs(x - second)) for x in points) < 0.07 * step


def test_the_forest_says_what_was_tested_and_what_was_not(verdict, seed_differences, tmp_path):
    verdict_forest(verdict, seed_differences, tmp_path / "verdict.svg", "random-span")
    shown = [text.replace("&lt;", "<") for text in texts(tmp_path / "verdict.svg")]
    assert "+1.3 [+0.4, +2.2], p 0.012, 3 seeds" in shown
    assert "−2.1 [−3.3, −0.9], p < 0.001, 3 seeds" in shown
    assert "interval of each arm alone, not adjusted; p after Holm" in shown
    assert "−6.0, not tested: 2 seeds" in shown


def test_the_same_numbers_make_the_same_picture(summary, tmp_path):
    for folder in ("a", "b"):
        fewshot_curves(summary, tmp_path / folder / "fewshot.svg")
    assert (tmp_path / "a/fewshot.svg").read_bytes() == (tmp_path / "b/fewshot.svg").read_bytes()


def test_each_built_in_strategy_has_a_colour_of_its_own():
    built_in = {name: strategy_colours([name])[name] for name, spec in STRATEGIES.items() if not spec.source}
    assert strategy_colours(reversed(built_in)) == built_in
    assert len(set(built_in.values())) == len(built_in)


def test_variants_take_colours_that_are_left_over_in_their_order():
    built_in = set(strategy_colours(STRATEGY_HUES).values())
    given = strategy_colours(["mine.py:a", "genemask", "genemask:npmi=shuffled"])
    assert given["genemask"] == HUES["vermilion"]
    assert not {given["mine.py:a"], given["genemask:npmi=shuffled"]} & built_in
    assert len(set(given.values())) == 3
    assert len(set(strategy_colours(["genemask", *"abcdefghijk"]).values())) == len(HUES)
    assert len(strategy_colours("abcdefghijklmnop")) == 16


@pytest.mark.parametrize("eyes", DICHROMATS)
def test_colour_blind_readers_can_tell_the_colours_apart(eyes):
    seen = [_oklab(DICHROMATS[eyes] @ _linear(hue)) for hue in HUES.values()]
    apart = min(np.linalg.norm(one - other) for one, other in combinations(seen, 2))
    assert apart > 0.05


def _linear(colour: str) -> np.ndarray:
    """Light of the three primaries, 0 to 1."""
    value = np.array(to_rgb(colour))
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def _oklab(light: np.ndarray) -> np.ndarray:
    """Ottosson's OKLab, in which equal distances look about equally large."""
    return OKLAB @ np.cbrt(CONES @ light.clip(0, 1))


@pytest.mark.filterwarnings("error")
def test_words_that_leave_no_room_for_the_axes_give_a_picture_and_no_warning(tmp_path):
    with picture(tmp_path / "curves.png", 3, 2) as figure:
        figure.subplots().set_xlabel("9\n" * 80)
    assert (tmp_path / "curves.png").stat().st_size > 0


def titled(path, title):
    with picture(path, 3, 2) as figure:
        figure.subplots().set_title(title)


@pytest.mark.filterwarnings("error")
def test_letters_that_no_font_has_are_reported_once_for_all_pictures(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(style, "EAST_ASIAN_FONTS", ())
    for kind in ("svg", "png"):
        titled(tmp_path / f"x.{kind}", "\u65e5\u672c 1")
    (said,) = caplog.messages
    assert "has the letters \u65e5\u672c, so pictures show boxes" in said
    assert "Noto Sans CJK" in said


@pytest.mark.filterwarnings("error")
def test_another_installed_font_draws_letters_that_the_first_lacks(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(style, "EAST_ASIAN_FONTS", ("Nowhere", "STIXGeneral"))
    titled(tmp_path / "x.png", "\u20dd")  # of those that come with matplotlib, only STIX has it
    assert not caplog.messages


def test_other_warnings_pass_through(tmp_path):
    with pytest.warns(UserWarning, match="^odd$"), picture(tmp_path / "x.png", 3, 2):
        warnings.warn("odd", stacklevel=1)


def test_an_unknown_picture_format_is_refused_by_name(summary, tmp_path):
    with pytest.raises(UserError, match=r"fewshot\.bmp: a picture is saved as"):
        fewshot_curves(summary, tmp_path / "fewshot.bmp")
