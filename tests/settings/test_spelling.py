import pytest

from genomask.settings.spelling import did_you_mean

KNOWN = ("steps", "seed", "GeneMask")


@pytest.mark.parametrize(
    ("word", "said"),
    [("step", " Did you mean 'steps'?"), ("STEPS", " Did you mean 'steps'?"), ("genemask", " Did you mean 'GeneMask'?"),
     ("precision", ""), ("", ""), (7, "")],
)  # fmt: skip
def test_the_nearest_known_word_is_named_as_it_is_spelt_if_there_is_one(word, said):
    assert did_you_mean(word, KNOWN) == said


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [("rate", ("strategy", "mask_rate", "rates_of"), "mask_rate"), ("gram", ("strategy", "ngrams"), "ngrams"),
     ("step", ("tokens_per_step", "steps"), "steps"), ("rate", ("learning_rate", "mask_rate"), "mask_rate"),
     ("at", ("strategy", "ate"), "ate"), ("stratgy", ("strategy", "my_stratgy"), "strategy")],
)  # fmt: skip
def test_a_slip_is_preferred_to_part_of_a_name_and_that_to_a_similar_spelling(word, known, meant):
    assert did_you_mean(word, known) == f" Did you mean {meant!r}?"
