import pytest

from genomask.settings.spelling import did_you_mean

KNOWN = ("steps", "seed", "GeneMask")


@pytest.mark.parametrize(
    ("word", "said"),
    [("step", " Did you mean 'steps'?"), ("STEPS", " Did you mean 'steps'?"), ("genemask", " Did you mean 'GeneMask'?"),
     ("precision", ""), ("", ""), (7, "")],
)  # fmt: skip
def test_the_nearest_known_word_is_named_as_it_is_spelt_or_none(word, said):
    assert did_you_mean(word, KNOWN) == said


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [("rate", ("strategy", "mask_rate", "rates_of"), "mask_rate"), ("gram", ("strategy", "ngrams"), "ngrams"),
     ("step", ("tokens_per_step", "steps"), "steps"), ("rate", ("learning_rate", "mask_rate"), "mask_rate"),
     ("at", ("strategy", "ate"), "ate"), ("stratgy", ("strategy", "my_stratgy"), "strategy")],
)  # fmt: skip
def test_a_part_of_a_name_is_meant_before_what_is_only_alike(word, known, meant):
    assert did_you_mean(word, known) == f" Did you mean {meant!r}?"
