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
