import itertools

import numpy as np
import pytest

from genomask.commands.motifs.word_pairs import canonical_words, word_pairs
from genomask.errors import SettingsError

WORDS = ["".join(word) for word in itertools.product("ACGT", repeat=4)]


def opposite(word):
    return word[::-1].translate(str.maketrans("ACGT", "TGCA"))


def ranking(seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=256), rng.integers(10, 1000, 256)


def test_every_word_is_in_one_pair_with_its_reverse_complement():
    chosen = [WORDS[at] for at in canonical_words(4)]
    assert sorted(chosen) == sorted({min(word, opposite(word)) for word in WORDS})
    assert len(chosen) == (256 + 16) / 2


def test_pairs_of_a_stratum_are_alike_in_all_that_makes_a_match_likelier():
    scores, counts = ranking()
    pairs = word_pairs(scores, counts, top=30)
    both = {word: counts[at] + counts[WORDS.index(opposite(word))] for at, word in enumerate(WORDS)}
    words = [WORDS[at] for at in pairs.words]
    traits, ranges = {}, {}
    for word, stratum in zip(words, pairs.stratum, strict=True):
        gc = sum(letter in "CG" for letter in word)
        alike = gc, word[:2] == word[2:], word == opposite(word)
        assert traits.setdefault(stratum, alike) == alike
        ranges.setdefault((gc, stratum), []).append(both[word])
    for gc in (1, 2, 3):
        plain = sorted((min(r), max(r)) for (g, s), r in ranges.items() if g == gc and not any(traits[s][1:]))
        assert len(plain) == 5
        assert all(before[1] < after[0] for before, after in itertools.pairwise(plain))


def test_the_top_words_make_the_top_pairs():
    scores, counts = ranking()
    pairs = word_pairs(scores, counts, top=30)
    best = {WORDS[at] for at in np.argsort(-scores)[:30]}
    found = {WORDS[at] for at in pairs.words[pairs.is_top]}
    assert found == {min(word, opposite(word)) for word in best}
    group, total = pairs.group_and_total()
    assert group.sum() == len(found)
    assert total.sum() == len(pairs.words)


def test_pairs_without_a_scored_word_are_left_out():
    scores, counts = ranking()
    rare = [WORDS.index("AACC"), WORDS.index("GGTT"), WORDS.index("AAAC")]  # GTTT, paired with the last, is scored
    scores[rare] = -np.inf
    words = {WORDS[at] for at in word_pairs(scores, counts, top=30).words}
    assert "AACC" not in words
    assert "AAAC" in words
    assert len(words) == 135


@pytest.mark.parametrize("top", [0, 129])
def test_a_top_that_leaves_too_little_to_compare_with_is_refused(top):
    with pytest.raises(SettingsError, match=rf"top={top} of the 256 4-mers .* take 1 to 128"):
        word_pairs(*ranking(), top=top)


@pytest.mark.parametrize(("scored", "words"), [(0, "no 4-mer"), (1, "only one 4-mer")])
def test_a_table_without_two_scores_is_refused_as_such(scored, words):
    scores, counts = ranking()
    scores[scored:] = -np.inf
    with pytest.raises(SettingsError, match=f"{words} of this table has an NPMI, so there is nothing to compare"):
        word_pairs(scores, counts, top=1)
