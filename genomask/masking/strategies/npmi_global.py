"""Npmi-global: the best tokens of the whole sequence, CM-GEMS' hard phase. Its masks hardly vary from step to step.

Source: CM-GEMS (Roy, Sural and Ganguly, 2024), in bases.
"""

import numpy as np

from genomask.hashing import Purpose
from genomask.masking.jit import Array, bits_at, jit, key_for
from genomask.masking.registry import strategy
from genomask.masking.sequence import Sequence, hide_token, tokens_drawn
from genomask.types import TokenBases


def published_probability(rate: float, tokens: TokenBases) -> float:
    """Rate / number of tokens that a drawn token masks if spans never meet, 2k - 1 at stride 1."""
    return rate / (2 * tokens.most_tokens_over_a_base - 1)


@jit
def _best_tokens(sequence: Sequence, n: int) -> Array:
    """(n,) int64: the best maskable tokens, ties to the lowest draw, in one pass that keeps the best so far."""
    ties = key_for(sequence.key, Purpose.GLOBAL_TIE)
    best, score, tie = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.float64), np.empty(n, dtype=np.int64)
    kept = worst = 0
    for t in range(len(sequence.input_ids)):
        its_score = sequence.scores[np.uint64(sequence.input_ids[t])]
        if not sequence.maskable[t] or (kept == n and its_score < score[worst]):
            continue
        its_tie = np.int64(bits_at(ties, t))
        if kept < n:
            place = kept
            kept += 1
        elif its_score > score[worst] or its_tie < tie[worst]:
            place = worst
        else:
            continue
        best[place], score[place], tie[place] = t, its_score, its_tie
        for c in range(kept):
            if score[c] < score[worst] or (score[c] == score[worst] and tie[c] > tie[worst]):
                worst = c
    return best


@strategy("npmi-global", units="dna", needs=["npmi", "windows"], published=published_probability)
def npmi_global(sequence: Sequence) -> None:
    """The n tokens of highest NPMI, ties at random, hide all their bases; n is binomial."""
    n_wanted = int(np.sum(tokens_drawn(sequence) & sequence.maskable))
    if n_wanted > 0:
        for t in _best_tokens(sequence, n_wanted):
            hide_token(sequence, t)
