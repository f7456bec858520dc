import math

import pytest

from genomask.errors import SettingsError
from genomask.settings.ranges import require, require_one_of, require_whole, shown
from genomask.settings.spelling import did_you_mean


def test_a_value_that_breaks_its_rule_is_refused_by_name_and_value():
    require(True, "a.rate", "below 1", 0.5)
    with pytest.raises(SettingsError, match=r"a.rate must be below 1, got nan\."):
        require(math.nan < 1, "a.rate", "below 1", math.nan)


@pytest.mark.parametrize(("value", "words"), [(0, "at least 1, got 0"), (1001, "at most 1,000, got 1001")])
def test_a_whole_number_lies_within_its_bounds(value, words):
    require_whole("a.steps", 1, 1, 1000)
    require_whole("a.steps", 1000, 1, 1000)
    with pytest.raises(SettingsError, match=f"a.steps must be {words}"):
        require_whole("a.steps", value, 1, 1000)


def test_the_nearest_known_word_is_named():
    require_one_of("a.kind", "span", ("span", "uniform"))
    with pytest.raises(SettingsError, match=r"one of span, uniform, got 'Spam'\. Did you mean 'span'\?"):
        require_one_of("a.kind", "Spam", ("span", "uniform"))
    assert did_you_mean("quite another", ("span", "uniform")) == ""


def test_long_values_are_shortened():
    assert shown(10**80) == "a number of more than 80 digits"
    assert shown("x" * 100) == f"'{'x' * 79}..."
    assert shown(0.5) == "0.5"
