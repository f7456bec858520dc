"""What genemask and its kin share: centres, the best token over each, long spans for the better half.

Source: GeneMask (Roy et al., ECAI 2023), its text read in bases.

Letters: C centres of one sequence, J tokens that can cover a base (k at stride 1).
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from genomask.hashing import Purpose
from genomask.masking.jit import Array, Int, bits_at, jit, key_for, named_by_its_parts
from genomask.masking.sequence import Sequence, centres, hide_base, hide_token
from genomask.types import TokenBases

_LARGEST = np.uint64(2**63 - 1)


def within_strategy(function: Callable[..., Any]) -> Any:
    """For functions made of others: compiled within the strategy that calls them, and kept on disk with it."""
    return numba.njit(nogil=True)(named_by_its_parts(function))


Score = Callable[[Sequence, Int, Int], float]
"""From a sequence, one of its tokens and a centre to how well the token serves the centre; compiled."""
Hide = Callable[[Sequence], None]


def published_probability(rate: float, tokens: TokenBases) -> float:
    """p_c = rate / mean number of tokens a centre masks if spans never meet: (2k - 1 + k) / 2 at stride 1."""
    n_tokens = tokens.most_tokens_over_a_base
    return rate / (tokens.stride * (2 * n_tokens - 1 + n_tokens) / 2)


def around_centres(score_of: Score, *, all_long_below: int = 0, ties_at_random: bool = True) -> Hide:
    """What hides the tokens of the better half of a sequence's centres, and the single bases of the others.

    Each centre takes the token of the highest score that covers it, ties at random or, without, the one that starts
    last. The better ceil(C / 2) of C centres, ties at random, hide all bases of their token, all C where C is below
    `all_long_below`; the others hide their own base alone.
    """

    @within_strategy
    def best_token(sequence: Sequence, centre: Int, last: Int) -> tuple[Int, float]:
        """The token over a centre with the highest score, and that score; -1 where there is none.

        `last` is the last token that does not start beyond the centre. Ties go to the highest draw, or else to the
        first in order, which is from the token that starts last.
        """
        ties = key_for(sequence.key, Purpose.TOKEN_TIE)
        n_tokens = sequence.vocabulary.n_over
        best: Int = -1
        best_score, best_tie = 0.0, np.int64(0)
        j, t = 0, last
        while t >= 0 and j < n_tokens:
            if sequence.n_bases[t] > 0:
                if sequence.maskable[t] and sequence.start[t] + sequence.n_bases[t] > centre:
                    score = score_of(sequence, t, centre)
                    if best < 0 or score >= best_score:
                        tie = bits_at(ties, centre * n_tokens + j) & _LARGEST if ties_at_random else _LARGEST - j
                        if best < 0 or score > best_score or tie > best_tie:
                            best, best_score, best_tie = t, score, np.int64(tie)
                j += 1
            t -= 1
        return best, best_score

    @within_strategy
    def hide(sequence: Sequence) -> None:
        found = centres(sequence)
        best, score = np.empty_like(found), np.empty(len(found), dtype=np.float64)
        n, last = 0, 0
        for centre in found:
            while last + 1 < len(sequence.start) and sequence.start[last + 1] <= centre:
                last += 1
            best[n], score[n] = best_token(sequence, centre, last)
            found[n] = centre
            n += best[n] >= 0  # over N there is no token to mask: no centre
        _hide_better_half(sequence, found[:n], best, score, n < all_long_below)

    return hide


@jit
def _hide_better_half(sequence: Sequence, found: Array, best: Array, score: Array, all_long: bool) -> None:
    ties = key_for(sequence.key, Purpose.CENTRE_TIE)
    tie = np.empty_like(found)
    for c in range(len(found)):
        tie[c] = np.int64(bits_at(ties, found[c]))
    for c in range(len(found)):
        if all_long or 2 * _n_better(c, score, tie) < len(found):
            hide_token(sequence, best[c])
        else:
            hide_base(sequence, found[c])


@jit
def _n_better(c: int, score: Array, tie: Array) -> int:
    """How many centres beat centre c: a higher score, or the same and the lower draw."""
    n = 0
    for other in range(len(tie)):
        n += (score[other] > score[c]) | ((score[other] == score[c]) & (tie[other] < tie[c]))
    return n
