import itertools

import numpy as np
import pytest
from scipy import stats

from genomask.commands.motifs.exact_strata import exact_p


def test_with_one_stratum_it_is_fishers_exact_test():
    for seen, matches, group, total in [(3, 5, 9, 40), (9, 20, 10, 60), (0, 4, 7, 30), (4, 4, 7, 30), (1, 30, 7, 50)]:
        found = exact_p(np.array([seen]), np.array([[matches]]), np.array([group]), np.array([total]))
        table = [[seen, group - seen], [matches - seen, total - group - matches + seen]]
        tails = [stats.fisher_exact(table, side).pvalue for side in ("less", "greater")]
        assert found[0] == pytest.approx(min(1, 2 * min(tails)), rel=1e-8)


def test_with_several_strata_it_counts_every_way_to_deal_the_matches():
    strata = [([1, 1, 0, 0, 0], 2), ([1, 0, 0], 1), ([1, 1, 1, 0], 2)]  # who matches, size of the first group
    ways = [[sum(deal) for deal in itertools.combinations(of, size)] for of, size in strata]
    outcomes = np.array([sum(way) for way in itertools.product(*ways)])
    matches = np.array([[sum(of) for of, _ in strata]])
    group, total = np.array([size for _, size in strata]), np.array([len(of) for of, _ in strata])
    for seen in range(outcomes.min(), outcomes.max() + 1):
        tails = np.mean(outcomes <= seen), np.mean(outcomes >= seen)
        assert exact_p(np.array([seen]), matches, group, total)[0] == pytest.approx(min(1, 2 * min(tails)))


def test_strata_of_one_kind_do_not_change_p():
    seen, matches, group, total = np.array([5]), np.array([[8, 4]]), np.array([6, 5]), np.array([20, 16])
    more = exact_p(  # a stratum of the first group only, one without it, one where all match
        seen + 7 + 2, np.append(matches, [[7, 3, 6]], 1), np.append(group, [9, 0, 2]), np.append(total, [9, 5, 6])
    )
    assert more == pytest.approx(exact_p(seen, matches, group, total))
    none_or_all = np.array([[0], [50]])
    assert exact_p(np.array([0, 5]), none_or_all, np.array([5]), np.array([50])).tolist() == pytest.approx([1, 1])


def test_each_question_is_answered_as_if_asked_alone():
    seen, matches = np.array([5, 2]), np.array([[8, 4], [3, 9]])
    group, total = np.array([6, 5]), np.array([20, 16])
    alone = [exact_p(seen[[at]], matches[[at]], group, total)[0] for at in (0, 1)]
    assert exact_p(seen, matches, group, total).tolist() == pytest.approx(alone)
