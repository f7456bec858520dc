"""Words and their background: scores and counts of words in, strand-free pairs in matched strata out.

Letters: P pairs, n letters of a word. Arrays of 4**n are in ACGT lexicographic order.
"""

from typing import NamedTuple

import numpy as np

from genomask.errors import SettingsError
from genomask.masking.npmi import reverse_complemented

COUNT_BINS = 5


class WordPairs(NamedTuple):
    """Pairs of a word and its reverse complement (which may be the word itself)."""

    n: int
    top: int  # words asked for
    words: np.ndarray  # (P,) the smaller word of each pair, ascending
    is_top: np.ndarray  # (P,) bool: one of its words is among the top
    stratum: np.ndarray  # (P,) from 0

    def group_and_total(self) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of top pairs and of all pairs in each stratum."""
        return np.bincount(self.stratum[self.is_top], minlength=self.stratum.max() + 1), np.bincount(self.stratum)


def word_pairs(scores: np.ndarray, counts: np.ndarray, top: int) -> WordPairs:
    """The pairs of the `top` words by score (4**n,) and their background; words that score -inf are in neither.

    Pairs of a stratum have the same number of G and C and the same fifth of the counts (4**n,) among these; they are
    tandem repeats or not, and their own reverse complement or not. Each of these correlates with the score, and by
    itself makes a match to a motif likelier. Raises SettingsError if `top` leaves fewer words than it takes.
    """
    n = round(np.log2(len(scores)) / 2)
    scored = np.count_nonzero(scores > -np.inf)
    if scored < 2:
        raise SettingsError(
            f"{'only one' if scored else 'no'} {n}-mer of this table has an NPMI, so there is nothing to compare; "
            f"{'ask for a shorter --n, or ' if n > 2 else ''}count again with a lower --min-count."
        )
    if not 0 < top <= scored // 2:
        raise SettingsError(
            f"top={top} of the {scored} {n}-mers that have an NPMI leaves too few to compare with; take 1 to "
            f"{scored // 2}."
        )
    opposite = reverse_complemented(np.arange(len(scores)))
    words = canonical_words(n)
    words = words[np.maximum(scores[words], scores[opposite[words]]) > -np.inf]
    is_top = np.zeros(len(scores), dtype=bool)
    is_top[np.argsort(-scores, kind="stable")[:top]] = True
    letters = words[:, None] >> 2 * np.arange(n - 1, -1, -1) & 3
    gc = np.isin(letters, (1, 2)).sum(1)
    bins = _bins(counts[words] + counts[opposite[words]], gc)
    traits = np.stack([gc, bins, _is_repeat(letters), words == opposite[words]], axis=1)
    stratum = np.unique(traits, axis=0, return_inverse=True)[1]
    return WordPairs(n, top, words, is_top[words] | is_top[opposite[words]], stratum)


def canonical_words(n: int) -> np.ndarray:
    """The smaller word of every pair of n letters, ascending."""
    words = np.arange(4**n)
    return words[words <= reverse_complemented(words)]


def _bins(counts: np.ndarray, gc: np.ndarray) -> np.ndarray:
    """(P,) fifth of the counts among the pairs of the same GC, from 0."""
    bins = np.zeros(len(counts), dtype=int)
    for level in np.unique(gc):
        here = counts[gc == level]
        bins[gc == level] = np.searchsorted(np.quantile(here, np.arange(1, COUNT_BINS) / COUNT_BINS), here)
    return bins


def _is_repeat(letters: np.ndarray) -> np.ndarray:
    """(P,) whether words (P, n) repeat a unit of at most half their length, the last copy whole or not."""
    n = letters.shape[1]
    periods = [(letters[:, unit:] == letters[:, :-unit]).all(1) for unit in range(1, n // 2 + 1)]
    is_repeat: np.ndarray = np.any(periods, axis=0)
    return is_repeat
