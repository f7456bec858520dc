import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from scipy import stats

from genomask.commands.motifs.exact_strata import common_odds


def test_with_one_stratum_it_is_fishers_exact_test_and_interval():
    for seen, matches, group, total in [(3, 5, 9, 40), (9, 20, 10, 60), (0, 4, 7, 30), (4, 4, 7, 30), (1, 30, 7, 50)]:
        found = common_odds(np.array([seen]), np.array([[matches]]), np.array([group]), np.array([total]))
        table = [[seen, group - seen], [matches - seen, total - group - matches + seen]]
        tails = [stats.fisher_exact(table, side).pvalue for side in ("less", "greater")]
        theirs = stats.contingency.odds_ratio(table)
        interval = theirs.confidence_interval(0.95)
        assert found.p[0] == pytest.approx(min(1, 2 * min(tails)), rel=1e-8)
        assert found.odds_ratio[0] == pytest.approx(theirs.statistic, rel=1e-4)
        assert (found.low[0], found.high[0]) == pytest.approx(tuple(interval), rel=1e-4)


def test_with_several_strata_it_counts_every_way_to_deal_the_matches():
    strata = [([1, 1, 0, 0, 0], 2), ([1, 0, 0], 1), ([1, 1, 1, 0], 2)]  # who matches, size of the first group
    ways = [[sum(deal) for deal in itertools.combinations(of, size)] for of, size in strata]
    outcomes = np.array([sum(way) for way in itertools.product(*ways)])
    matches = np.array([[sum(of) for of, _ in strata]])
    group, total = np.array([size for _, size in strata]), np.array([len(of) for of, _ in strata])
    for seen in range(outcomes.min(), outcomes.max() + 1):
        found = common_odds(np.array([seen]), matches, group, total)
        tails = np.mean(outcomes <= seen), np.mean(outcomes >= seen)
        assert found.p[0] == pytest.approx(min(1, 2 * min(tails)))
        assert found.expected[0] == pytest.approx(outcomes.mean())
        if outcomes.min() < seen < outcomes.max():
            for odds, tail in [(found.low[0], outcomes >= seen), (found.high[0], outcomes <= seen)]:
                weights = odds**outcomes
                assert weights[tail].sum() / weights.sum() == pytest.approx(0.025, rel=1e-6)
            weights = found.odds_ratio[0] ** outcomes
            assert (weights * outcomes).sum() / weights.sum() == pytest.approx(seen)


def random_strata(rng):
    total = rng.integers(1, 30, 4)
    group, matches = rng.integers(0, total + 1), rng.integers(0, total + 1)[None]
    most, least = np.minimum(group, matches).sum(), np.maximum(0, matches + group - total).sum()
    return np.array([rng.integers(least, most + 1)]), matches, group, total


@example(seed=2850)  # p is 1/20 itself
@given(seed=st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_p_is_under_five_per_cent_exactly_where_the_interval_excludes_1(seed):
    seen, matches, group, total = random_strata(np.random.default_rng(seed))
    found = common_odds(seen, matches, group, total)
    assume(abs(found.p[0] - 0.05) > 1e-9)  # there the interval ends at 1, and rounding decides
    assert (found.p[0] < 0.05) == (not found.low[0] <= 1 <= found.high[0])
    assert found.low[0] <= found.high[0]
    if not math.isnan(found.odds_ratio[0]):
        assert found.low[0] <= found.odds_ratio[0] <= found.high[0]


def test_strata_of_one_kind_say_nothing():
    seen, matches, group, total = np.array([5]), np.array([[8, 4]]), np.array([6, 5]), np.array([20, 16])
    alone = common_odds(seen, matches, group, total)
    more = common_odds(  # a stratum of the first group only, one without it, one where all match
        seen + 7 + 2, np.append(matches, [[7, 3, 6]], 1), np.append(group, [9, 0, 2]), np.append(total, [9, 5, 6])
    )
    for name in ("odds_ratio", "low", "high", "p"):
        assert getattr(more, name) == pytest.approx(getattr(alone, name))


def test_the_ends_are_zero_infinity_or_unknown():
    group, total = np.array([5]), np.array([50])
    found = common_odds(np.array([0, 5, 0, 5]), np.array([[20], [20], [0], [50]]), group, total)
    np.testing.assert_array_equal(found.odds_ratio, [0, np.inf, np.nan, np.nan])
    np.testing.assert_array_equal(found.low[[0, 2, 3]], 0)
    np.testing.assert_array_equal(found.high[1:], np.inf)
    assert found.p[2] == found.p[3] == 1
    assert found.low[1] > 0
    assert found.high[0] < np.inf


def test_probabilities_too_small_for_a_float_keep_their_odds():
    found = common_odds(np.array([500]), np.array([[5000]]), np.array([1000]), np.array([500_000]))
    assert found.p[0] == 0
    plain = (500 / 500) / (4500 / (500_000 - 1000 - 4500))
    assert found.odds_ratio[0] == pytest.approx(plain, rel=0.01)
    assert 0.8 * plain < found.low[0] < plain < found.high[0] < 1.2 * plain


def test_the_interval_covers_the_odds_ratio_that_made_the_counts():
    rng = np.random.default_rng(0)
    total, group, matches = np.array([40, 25, 60]), np.array([10, 5, 12]), np.array([12, 10, 9])
    draws = [stats.nchypergeom_fisher.rvs(t, m, g, 3.0, size=400, random_state=rng)
             for t, m, g in zip(total, matches, group, strict=True)]  # fmt: skip
    found = common_odds(np.sum(draws, axis=0), np.tile(matches, (400, 1)), group, total)
    missed = np.mean((found.low > 3) | (found.high < 3))
    assert missed < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 400)
    assert np.median(found.odds_ratio) == pytest.approx(3, rel=0.15)
