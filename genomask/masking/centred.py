"""What genemask and its kin share: centres, the best token over each, long spans for the better half.

Source: GeneMask (Roy et al., ECAI 2023), its text interpreted in bases.

Letters: C centres of one sequence, J tokens that can cover a base (k at stride 1).
"""

import numpy as np

from genomask.hashing import Purpose
from genomask.masking.jit import Array, Int, bits_at, jit, key_for
from genomask.masking.sequence import Sequence, centres, hide_base, hide_token
from genomask.types import TokenBases

_LARGEST = np.uint64(2**63 - 1)


def published_probability(rate: float, tokens: TokenBases) -> float:
    """p_c = rate / mean number of tokens a centre masks if spans never meet: (2k - 1 + k) / 2 at stride 1."""
    n_tokens = tokens.most_tokens_over_a_base
    return rate / (tokens.stride * (2 * n_tokens - 1 + n_tokens) / 2)


@jit
def centres_and_tokens(sequence: Sequence) -> tuple[Array, Array]:
    """(C,) centres; (C, J) maskable tokens over each, the one that starts last first, and -1 where there is none."""
    found, start, n_bases = centres(sequence), sequence.start, sequence.n_bases
    over = np.full((len(found), sequence.vocabulary.n_over), -1, dtype=np.int64)
    last = 0
    for c in range(len(found)):
        while last + 1 < len(start) and start[last + 1] <= found[c]:
            last += 1
        j, t = 0, last
        while t >= 0 and j < over.shape[1]:
            if n_bases[t] > 0:
                if sequence.maskable[t] and start[t] + n_bases[t] > found[c]:
                    over[c, j] = t
                j += 1
            t -= 1
    return found, over


@jit
def hide_better_half(
    sequence: Sequence, found: Array, over: Array, scores: Array, all_long_below: Int = 0, ties_at_random: bool = True
) -> None:
    """Hide the tokens of the better half of the centres, and the single bases of the others.

    Given the centres, the tokens over each and their scores (C, J). A centre takes the token of the highest score; ties
    go to a random one or, without `ties_at_random`, to the one that starts last. A centre over N has no token and does
    not count. The better ceil(C / 2) of C centres, ties at random, or all C where C is below `all_long_below`, hide all
    bases of their token; the others hide their own base alone.
    """
    token_ties, centre_ties = key_for(sequence.key, Purpose.TOKEN_TIE), key_for(sequence.key, Purpose.CENTRE_TIE)
    centre, best, tie = np.empty_like(found), np.empty_like(found), np.empty_like(found)
    score = np.empty(len(found), dtype=np.float64)
    n = 0
    for c in range(len(found)):
        chosen, token_tie = -1, np.int64(0)
        for j in range(over.shape[1]):
            if over[c, j] >= 0 and (chosen < 0 or scores[c, j] >= scores[c, chosen]):
                drawn = bits_at(token_ties, found[c] * over.shape[1] + j) & _LARGEST
                its_tie = np.int64(drawn) if ties_at_random else np.int64(-j)
                if chosen < 0 or scores[c, j] > scores[c, chosen] or its_tie > token_tie:
                    chosen, token_tie = j, its_tie
        if chosen >= 0:
            centre[n], best[n], score[n] = found[c], over[c, chosen], scores[c, chosen]
            tie[n] = np.int64(bits_at(centre_ties, found[c]))
            n += 1
    for c in range(n):
        n_better = 0
        for other in range(n):
            n_better += (score[other] > score[c]) | ((score[other] == score[c]) & (tie[other] < tie[c]))
        if n < all_long_below or 2 * n_better < n:
            hide_token(sequence, best[c])
        else:
            hide_base(sequence, centre[c])
