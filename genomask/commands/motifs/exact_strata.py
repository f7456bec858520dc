"""Is one group more often a match than another, stratum by stratum? Counts in, p out.

Given the margins of each stratum, the number of matches in the first group is a sum of hypergeometric variables where
there is no difference and who matches is independent from one to the next. So the test is exact, however small the
strata are (where the large-sample test of Cochran, Mantel and Haenszel needs several expected matches).
Source: Mehta, Patel and Gray, JASA 1985.
Letters: M questions (such as motifs) asked of the same groups, S strata, T matches in the first group, 0..its size.
"""

import numpy as np
from scipy.stats import hypergeom


def exact_p(seen: np.ndarray, matches: np.ndarray, group: np.ndarray, total: np.ndarray) -> np.ndarray:
    """(M,) twice the smaller tail of `seen` (M,) matches in a first group.

    It has `group` (S,) out of `total` (S,), of which `matches` (M, S) match.
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
