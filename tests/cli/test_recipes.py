"""What is checked of a recipe before anything heavy is imported."""

import pytest

from genomask.cli.recipes import look_at, with_options
from genomask.errors import SettingsError


def test_options_that_were_given_become_changes_and_may_not_contradict_them():
    options = {"--masking": ("masking.strategy", "span"), "--match": ("masking.match", "")}
    for changes in ([], ["masking.strategy = span"], ["masking.match=bases", "tokens.k=3"]):
        assert with_options(changes, options) == [*changes, "masking.strategy=span"]
    with pytest.raises(SettingsError, match=r"--masking span and --set masking\.strategy=uniform contradict each"):
        with_options(["masking.strategy='uniform'"], options)


def test_a_recipe_for_the_other_kind_and_an_unknown_strategy_are_refused():
    look_at("genome", "", [], ["span:p=0.1"])
    for arguments, words in (
        (("text", "genome-tiny", [], []), "recipe genome-tiny is for genome; this command needs one for text"),
        (("genome", "", [], ["spam"]), "unknown masking strategy 'spam'"),
    ):
        with pytest.raises(SettingsError, match=words):
            look_at(*arguments)
