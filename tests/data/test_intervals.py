import itertools
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genomask.data.intervals import (
    RunningCount,
    intersect,
    intervals_of,
    is_position,
    longest,
    subtract,
    total_length,
    union,
)

SIZE = 40
masks = st.lists(st.booleans(), max_size=SIZE).map(
    lambda bits: np.array(bits + [False] * (SIZE - len(bits)), dtype=bool)
)
loose = st.lists(st.tuples(st.integers(0, SIZE), st.integers(0, SIZE)).map(sorted), max_size=8).map(
    lambda pairs: np.array(pairs, dtype=np.int64).reshape(-1, 2)
)


def mask_of(intervals):
    mask = np.zeros(SIZE, dtype=bool)
    for start, stop in intervals:
        mask[start:stop] = True
    return mask


def cut(intervals, borders):
    """The same positions, with every interval cut at the borders."""
    edges = sorted({*intervals.ravel().tolist(), *borders})
    pieces = [(a, b) for a, b in itertools.pairwise(edges) if mask_of(intervals)[a:b].all()]
    return np.array(pieces, dtype=np.int64).reshape(-1, 2)


@given(mask=masks)
def test_runs_of_true_are_what_a_regular_expression_finds(mask):
    text = "".join("x" if bit else "." for bit in mask)
    assert intervals_of(mask).tolist() == [list(match.span()) for match in re.finditer("x+", text)]
    assert intervals_of(mask[:0]).shape == (0, 2)


@given(a=loose, b=loose)
def test_union_holds_the_positions_of_both_in_the_fewest_intervals(a, b):
    assert union(a, b).tolist() == intervals_of(mask_of(a) | mask_of(b)).tolist()
    assert union().shape == (0, 2)


@settings(deadline=None, max_examples=200)
@given(a=masks, b=masks, loose_b=loose, borders=st.sets(st.integers(1, SIZE - 1), max_size=5))
def test_intersect_and_subtract_agree_with_bool_arrays(a, b, loose_b, borders):
    left, right = cut(intervals_of(a), borders), intervals_of(b)
    for found, expected in [
        (intersect(left, right), a & b),
        (subtract(left, right), a & ~b),
        (subtract(left, loose_b), a & ~mask_of(loose_b)),
    ]:
        assert found.dtype == np.int64
        assert found.tolist() == cut(intervals_of(expected), borders).tolist()


@given(mask=masks, borders=st.sets(st.integers(1, SIZE - 1), max_size=5))
def test_lengths_and_counts_agree_with_a_bool_array(mask, borders):
    intervals = intervals_of(mask)
    assert total_length(intervals) == mask.sum()
    assert longest(intervals) == max((stop - start for start, stop in intervals), default=0)
    positions = np.arange(SIZE + 1)
    counts = RunningCount.of(cut(intervals, borders))
    assert counts.below(positions).tolist() == [int(mask[:position].sum()) for position in positions]
    assert counts.below(positions.reshape(1, -1)).dtype == np.int64


@pytest.mark.parametrize("word", ["0", "7", "007", "9" * 18])
def test_a_position_is_a_whole_number_that_int64_holds(word):
    assert is_position(word)
    assert np.array(int(word), dtype=np.int64) == int(word)


@pytest.mark.parametrize("word", ["", "-1", "+1", "1.0", "1e3", " 1", "1_000", "1" * 19, "\u0661", "\u00b2", "chr1"])
def test_any_other_word_is_not_a_position(word):
    assert not is_position(word)
