"""The masks in the terminal: what they show must be there without colour too."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from masked_by_hand import FOUR_IN_A_ROW, TWELVE, sequence

from genomask.report.mask_text import mask_text
from genomask.report.style import HUES


def rows_of(text: str, name: str) -> list[str]:
    return re.findall(rf"^{name} +(\S*)$", text, flags=re.MULTILINE)


def test_hidden_covered_and_visible_bases_differ_without_colour():
    text = mask_text(sequence(TWELVE, 3, FOUR_IN_A_ROW), 80).plain
    assert rows_of(text, "genemask") == ["ACGta__taCGT"]
    assert rows_of(text, "uniform") == ["_cgTACGTAcg_"]
    assert f"\n{' ' * 10}{TWELVE}\n" in text
    assert "_     hidden" in text


def test_colour_shows_the_same():
    text = mask_text(sequence(TWELVE, 3, {"genemask": {3, 4, 5, 6}}), 80)
    styled = {(text.plain[span.start : span.end], str(span.style)) for span in text.spans}
    colour = HUES["vermilion"]
    assert ("_", f"bold #ffffff on {colour}") in styled
    assert ("t", colour) in styled
    assert ("A", "dim") in styled


@pytest.mark.parametrize(
    ("first", "ruler"), [(995, "  1000"), (1, "        10"), (10, " " * 9 + "20"), (123_456_785, "")]
)
def test_the_last_digit_of_a_number_stands_above_its_base(first, ruler):
    line = mask_text(sequence(TWELVE, 3, {}, first=first), 80).plain.split("\n")[2]
    assert line.removeprefix(" " * 6) == ruler


@given(n_bases=st.integers(3, 300), width=st.integers(60, 200), masked=st.sets(st.integers(0, 297)))
def test_lines_fit_the_terminal_and_lose_nothing(n_bases, width, masked):
    shown = sequence("ACGTN" * 60, 3, {})
    letters = shown.letters[:n_bases]
    masks = {"random-span": {token for token in masked if token < n_bases - 2}}
    text = mask_text(sequence(letters, 3, masks), width).plain
    assert all(len(line) <= width for line in text.split("\n"))
    assert len("".join(rows_of(text, "random-span"))) == n_bases


def test_the_npmi_is_a_row_of_bars_with_gaps_where_there_is_none():
    npmi = (-0.2, math.nan, 0.5, *[0.5] * 9)
    text = mask_text(sequence(TWELVE, 3, {}, npmi=npmi), 80).plain
    assert re.search(r"^NPMI +(.*)$", text, flags=re.MULTILINE)[1] == "\u2581 " + "\u2588" * 10
    assert "NPMI" not in mask_text(sequence(TWELVE, 3, {}), 80).plain
