"""Parts of records as samtools writes them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genomask.data.region import MOST_NAMES, parse_region
from genomask.errors import SettingsError

LENGTHS = {"chr1": 5_000, "odd:1-2": 30}


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 4_999), st.integers(1, 5_000))
def test_positions_count_from_1_with_both_ends_and_may_have_commas(start, length):
    stop = min(start + length, 5_000)
    for text in (f"chr1:{start + 1}-{stop}", f"chr1:{start + 1:,}-{stop:,}"):
        assert parse_region(text, LENGTHS) == ("chr1", start, stop)


def test_a_name_alone_is_the_whole_record_even_if_it_looks_like_a_part():
    assert parse_region("chr1", LENGTHS) == ("chr1", 0, 5_000)
    assert parse_region("odd:1-2", LENGTHS) == ("odd:1-2", 0, 30)
    assert parse_region("odd:1-2:3-4", LENGTHS) == ("odd:1-2", 2, 4)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("chr2", "no record 'chr2'. Its records are: chr1, odd:1-2."),
        ("chr2:1-5", "no record 'chr2'"),
        ("chr1:", "no record 'chr1:'"),
        ("chr1:9-3", "ends before it begins"),
        ("chr1:0-3", "bases 1-5,000"),
        ("chr1:1-5001", "bases 1-5,000"),
        (f"chr1:1-{'9' * 40}", "no record"),
    ],
)
def test_a_region_that_does_not_exist_is_a_clear_error(text, words):
    with pytest.raises(SettingsError) as caught:
        parse_region(text, LENGTHS)
    assert words in str(caught.value)


def test_a_message_lists_only_the_first_of_many_records():
    with pytest.raises(SettingsError, match=f"and {500 - MOST_NAMES} more"):
        parse_region("x", {f"contig{n}": 10 for n in range(500)})
