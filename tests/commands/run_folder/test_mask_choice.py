import re

import pytest

from genomask.commands.run_folder.mask_choice import NOT_MEASURED, mask_sentence, rate_words
from genomask.recipe import load_recipe


@pytest.mark.parametrize(
    ("recipe", "changes", "asked_for", "said"),
    [
        (
            "genome-tiny",
            [],
            False,
            r"random-span, 15 % of the tokens \(the recipe's default\): .* better",
        ),
        ("genome-base", [], False, r"genemask, 15 % of the tokens \(the recipe's default\): .* give bases away"),
        ("genome-tiny", ["masking.strategy=genemask"], True, r"genemask, .* \(asked for\): .* --masking random-span"),
        ("genome-tiny", ["masking.strategy=uniform", "masking.match=none"], True, "15 % at its published .* no base"),
        ("genome-tiny", ["masking.mask_rate=0.125", "masking.match=bases"], False, "12.5 % of the bases"),
        ("genome-tiny", ["masking.strategy=span:p=0.1"], True, rf"span:p=0.1, .*: {NOT_MEASURED}$"),
        ("genome-tiny", ["tokens.stride=4"], False, rf": {NOT_MEASURED}$"),
        ("c4-tiny", [], False, r"uniform, 30 % of the tokens \(the recipe's default\): as BERT and MosaicBERT mask$"),
        ("c4-tiny", ["masking.strategy=span"], True, "nothing was compared on text"),
    ],
)
def test_a_run_says_which_mask_it_takes_and_why(recipe, changes, asked_for, said):
    sentence = mask_sentence(load_recipe(recipe, changes), asked_for=asked_for)
    assert re.match(rf"masking: .*{said}", sentence)
    assert "\n" not in sentence


def test_a_card_says_what_the_rate_is_of():
    recipe = load_recipe("genome-tiny", ["masking.match=none", "masking.mask_rate=0.125"])
    assert rate_words(recipe.masking) == "12.5 % at its published probabilities"
