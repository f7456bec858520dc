"""Does one group match more often than another, stratum by stratum? Counts in, p out.

If the groups do not differ and matches are independent, the number of matches in the first group is, given the margins
of each stratum, a sum of hypergeometric variables. So the test is exact, however small the strata are (the large-sample
test of Cochran, Mantel and Haenszel needs several expected matches).
Source: Mehta, Patel and Gray, JASA 1985.
Letters: M questions (such as motifs) asked of the same groups, S strata, T matches in the first group, 0..its size.
"""

import numpy as np
from scipy.stats import hypergeom


def exact_p(seen: np.ndarray, matches: np.ndarray, group: np.ndarray, total: np.ndarray) -> np.ndarray:
    """(M,) twice the smaller tail of `seen` (M,) matches in the first group.

    The group has `group` (S,) of `total` (S,) members, of which `matches` (M, S) match.
    """
    probabilities = np.exp(_log_probabilities(matches, group, total))
    steps = np.arange(probabilities.shape[1])
    up_to, from_on = ((probabilities * side).sum(1) for side in (steps <= seen[:, None], steps >= seen[:, None]))
    p: np.ndarray = np.minimum(1, 2 * np.minimum(up_to, from_on))
    return p


def _log_probabilities(matches: np.ndarray, group: np.ndarray, total: np.ndarray) -> np.ndarray:
    """(M, T): ln of the probability of each number of matches in the first group, if there is no difference."""
    log_probabilities = np.zeros((len(matches), 1))
    for stratum in np.flatnonzero(group):
        steps = np.arange(group[stratum] + 1)
        here = hypergeom.logpmf(steps, total[stratum], matches[:, stratum, None], group[stratum])
        wider = np.full((len(matches), log_probabilities.shape[1] + group[stratum]), -np.inf)
        for step in steps:
            part = wider[:, step : step + log_probabilities.shape[1]]
            np.logaddexp(part, log_probabilities + here[:, step, None], out=part)
        log_probabilities = wider
    return log_probabilities
