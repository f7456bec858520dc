"""The picture of masks: bars and cells can be counted in its SVG, and its words read."""

import re

import numpy as np
import pytest
from masked_by_hand import FOUR_IN_A_ROW, TWELVE, sequence

from genomask.report.mask_picture import mask_picture
from genomask.report.style import GRID, HUES

LONG = "ACGTN" * 50


def texts(svg) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg.read_text())


def boxes(svg, colour: str) -> int:
    """Closed outlines of that colour."""
    return sum(d.count("z") for d in re.findall(rf'<path d="([^"]*)"[^>]*style="fill: {colour}"', svg.read_text()))


@pytest.fixture
def small(tmp_path):
    mask_picture(sequence(TWELVE, 3, FOUR_IN_A_ROW, first=995), tmp_path / "masks.svg")
    return tmp_path / "masks.svg"


def test_letters_numbers_names_and_counts_are_text(small):
    shown = texts(small)
    assert "".join(text for text in shown if text in set("ACGT")) == TWELVE
    assert {"chr1:995-1,006, 12 bases, k = 3", "genemask", "uniform", "995", "1,000"} <= set(shown)
    assert {"4 of 10 tokens masked", "2 of 12 bases hidden", "2 of 10 tokens masked"} <= set(shown)


def test_there_is_a_cell_for_each_hidden_base_and_a_bar_for_each_masked_token(small):
    bars = {"genemask": "#e08640", "uniform": "#a066d3"}  # 75 % of the strategy's colour on white
    assert boxes(small, HUES["vermilion"]) == 2
    assert boxes(small, bars["genemask"]) == 4
    assert boxes(small, HUES["violet"]) == 2
    assert boxes(small, bars["uniform"]) == 2
    assert boxes(small, GRID) == 2 + (10 - 4) + (10 - 2)  # the bands behind the cells, and the visible tokens


def test_the_legend_shows_the_colours_of_the_picture_and_no_others(small):
    text = small.read_text()
    assert {"hidden base: every token over it is masked", "visible base", "masked token", "visible token"} <= set(
        texts(small)
    )
    legend = text[text.index('<g id="legend_1">') :]
    keys = set(re.findall(r"stroke: (#[0-9a-f]{6})", legend))
    assert keys == {HUES["vermilion"], HUES["violet"], "#e08640", "#a066d3", GRID}


def test_lines_run_through_all_rows_at_every_tenth_base(tmp_path):
    mask_picture(sequence(LONG, 6, {"contiguous": {80}}), tmp_path / "long.svg")
    guides = re.findall(r'<path d="M ([\d.]+) [\d.]+ \nL \1 [\d.]+ \n" clip-path', (tmp_path / "long.svg").read_text())
    assert len(guides) == 25


def test_numbers_that_would_touch_are_left_out(tmp_path):
    mask_picture(sequence("ACGT" * 30, 6, {"uniform": {1}}, first=123_456_785), tmp_path / "far.svg")
    shown = [text for text in texts(tmp_path / "far.svg") if text.startswith("123,")]
    assert shown == ["123,456,785"] + [f"123,456,{number}" for number in range(800, 901, 20)]


def test_a_long_sequence_is_drawn_in_lines_that_lose_no_base(tmp_path):
    mask_picture(sequence(LONG, 6, {"contiguous": {80, 81, 82, 83, 84, 85}}), tmp_path / "long.svg")
    shown = texts(tmp_path / "long.svg")
    assert "".join(text for text in shown if text in set("ACGTN")) == LONG
    starts, tens = {1, 85, 169}, set(range(10, 251, 10)) - {170}  # 170 would touch 169
    assert [int(text) for text in shown if text.isdigit()] == sorted(starts | tens)
    assert shown.count("contiguous") == 3
    assert shown.count("6 of 245 tokens masked") == 1
    assert boxes(tmp_path / "long.svg", HUES["green"]) == 1
    assert boxes(tmp_path / "long.svg", "#40b696") == 6 + 4  # four bars reach into the second line


@pytest.mark.filterwarnings("error")  # such as matplotlib's, where no room is left for the bases
@pytest.mark.parametrize("n", [1, 2, 9])
def test_the_shortest_sequences_are_drawn_too(n, tmp_path):
    mask_picture(sequence(TWELVE[:n], 1, {"genemask-released": {0}}, npmi=(0.5,) * n), tmp_path / "short.svg")
    assert "".join(text for text in texts(tmp_path / "short.svg") if text in set("ACGT")) == TWELVE[:n]
    assert boxes(tmp_path / "short.svg", HUES["purple"]) == 1


def test_the_npmi_is_drawn_where_there_is_one(tmp_path):
    npmi = np.where(np.arange(12) < 4, np.nan, np.arange(12) / 12)
    mask_picture(sequence(TWELVE, 3, FOUR_IN_A_ROW, npmi=tuple(npmi)), tmp_path / "with.svg")
    shown = texts(tmp_path / "with.svg")
    assert {"NPMI", "0.33", "0.62", "0.92"} <= set(shown)  # the ends of the scale and its middle
    for name, values in {"without": (), "unknown": (np.nan,) * 12}.items():
        mask_picture(sequence(TWELVE, 3, FOUR_IN_A_ROW, npmi=values), tmp_path / f"{name}.svg")
        assert "NPMI" not in texts(tmp_path / f"{name}.svg")


def test_the_same_masks_make_the_same_small_file(small, tmp_path):
    again = tmp_path / "again" / "masks.svg"
    mask_picture(sequence(TWELVE, 3, FOUR_IN_A_ROW, first=995), again)
    assert again.read_bytes() == small.read_bytes()
    masks = {name: set(range(20, 40)) for name in ("genemask", "random-span", "contiguous", "uniform")}
    mask_picture(sequence("ACGT" * 30, 6, masks, npmi=tuple(np.arange(120) % 7)), again)
    assert again.stat().st_size < 140_000


def test_one_base_tokens_are_drawn_with_room_for_their_words(tmp_path):
    mask_picture(sequence("ACGT", 1, {"uniform": {1}, "span": {2, 3}}), tmp_path / "single.svg")
    found = re.findall(r'([\d.]+)\)">(uniform|span|\d of 4 bases hidden)<', (tmp_path / "single.svg").read_text())
    baseline = {words: float(y) for y, words in found}
    assert baseline["span"] - baseline["1 of 4 bases hidden"] > 9.5  # the size of the name's letters
    assert baseline["1 of 4 bases hidden"] - baseline["uniform"] > 7.5
