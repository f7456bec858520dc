"""What is said of a recipe before anything heavy is imported."""

import pytest

from genomask.cli.recipes import changes_of, look_at
from genomask.errors import SettingsError


def test_options_that_were_given_become_changes():
    assert changes_of({"masking.strategy": "span", "masking.match": ""}) == ["masking.strategy=span"]


def test_a_recipe_for_the_other_kind_and_an_unknown_strategy_are_refused():
    look_at("genome", "", [], ["span:p=0.1"])
    for arguments, words in (
        (("text", "genome-tiny", [], []), "recipe genome-tiny is for genome; this command needs one for text"),
        (("genome", "", [], ["spam"]), "unknown masking strategy 'spam'"),
    ):
        with pytest.raises(SettingsError, match=words):
            look_at(*arguments)
