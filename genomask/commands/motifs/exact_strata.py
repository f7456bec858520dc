"""Is one group more often a match than another, stratum by stratum? Counts in, odds ratio, interval and p out.

Given the margins of each stratum, the number of matches in the first group is a sum of hypergeometric variables where
there is no difference; with the odds ratio r its probabilities are multiplied by r**t and normalised. So the test and
the interval of the odds ratio common to all strata are exact, however small the strata are (where the large-sample
test of Cochran, Mantel and Haenszel needs several expected matches). Sources: Gart, Biometrika 1970; Mehta, Patel and
Gray, JASA 1985.
Letters: M questions (such as motifs) asked of the same groups, S strata, T matches in the first group, 0..its size.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.stats import hypergeom

CONFIDENCE = 0.95
WIDEST = 50.0
"""Logarithm of the largest odds ratio known from infinity."""
HALVINGS = 50


class CommonOdds(NamedTuple):
    """Arrays (M,); the p is twice the smaller tail, so it is under 5 % exactly where the interval excludes 1."""

    expected: np.ndarray  # matches in the first group if there were no difference
    odds_ratio: np.ndarray  # conditional maximum likelihood; NaN where the margins leave one outcome only
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray


def common_odds(seen: np.ndarray, matches: np.ndarray, group: np.ndarray, total: np.ndarray) -> CommonOdds:
    """Test `seen` (M,) matches in a first group of `group` (S,) out of `total` (S,), `matches` (M, S) of these."""
    log_probabilities = _log_probabilities(matches, group, total)
    steps = np.arange(log_probabilities.shape[1])
    up_to, from_on = steps <= seen[:, None], steps >= seen[:, None]
    half = (1 - CONFIDENCE) / 2

    def at(log_odds: np.ndarray) -> np.ndarray:
        return _tilted(log_probabilities, log_odds)

    none = at(np.zeros(len(seen)))
    odds_ratio = _root(lambda x: at(x) @ steps - seen, len(seen))
    low = _root(lambda x: (at(x) * from_on).sum(1) - half, len(seen))
    high = _root(lambda x: half - (at(x) * up_to).sum(1), len(seen))
    is_least = seen == np.maximum(0, matches + group - total).sum(1)
    is_most = seen == np.minimum(matches, group).sum(1)
    return CommonOdds(
        expected=(matches * group / total).sum(1),
        odds_ratio=np.select([is_least & is_most, is_least, is_most], [np.nan, 0, np.inf], np.exp(odds_ratio)),
        low=np.where(is_least, 0, np.exp(low)),
        high=np.where(is_most, np.inf, np.exp(high)),
        p=np.minimum(1, 2 * np.minimum((none * up_to).sum(1), (none * from_on).sum(1))),
    )


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


def _tilted(log_probabilities: np.ndarray, log_odds: np.ndarray) -> np.ndarray:
    """(M, T): the probabilities at the logarithms (M,) of an odds ratio."""
    tilted = log_probabilities + log_odds[:, None] * np.arange(log_probabilities.shape[1])
    probabilities: np.ndarray = np.exp(tilted - tilted.max(1, keepdims=True))
    probabilities /= probabilities.sum(1, keepdims=True)
    return probabilities


def _root(rising: Callable[[np.ndarray], np.ndarray], n: int) -> np.ndarray:
    """(n,) where a rising function crosses zero, by bisection of all at once; an end of the range if it does not."""
    low, high, middle = np.full(n, -WIDEST), np.full(n, WIDEST), np.zeros(n)
    for _ in range(HALVINGS):
        is_above = rising(middle) > 0
        low, high = np.where(is_above, low, middle), np.where(is_above, middle, high)
        middle = (low + high) / 2
    return middle
