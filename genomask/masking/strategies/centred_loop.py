"""Hiding around centres as a compiled loop: what genemask, its control and its kin run on a CPU.

It gives the same bits as `centred.hide_around_centres`. Letters: C centres of one sequence, J tokens that can cover a
base.
"""

import numpy as np

from genomask.masking import streams
from genomask.masking.compiled_hash import Int, bits_at, compiled, draw, mix, offset_of
from genomask.masking.loops import (
    Array,
    Loop,
    Packed,
    Sequence,
    Tables,
    centres,
    hide_token,
    lay_out,
    mask_tokens_over_hidden,
)

BY_NPMI, BY_DRAW, BY_NEARNESS, BY_NUMBER = range(4)
"""What a centre's tokens are compared by. Numbers, since a loop kept on disk cannot be given a function."""

_TOKEN_TIE, _CENTRE_TIE, _TOKEN_SCORE = (
    offset_of(s) for s in (streams.TOKEN_TIE, streams.CENTRE_TIE, streams.TOKEN_SCORE)
)
_LARGEST = np.uint64(2**63 - 1)
_LOWEST = np.finfo(np.float64).min


def loop_around_centres(by: int, *, all_long_below: int = 0, ties_by_lot: bool = True) -> Loop:
    """The loop with settings as of `centred.hide_around_centres`, compiled in: a quarter faster than as arguments."""

    @compiled
    def loop(batch: Packed, tables: Tables, spans: Array) -> None:
        for s in range(len(batch.keys)):
            sequence = lay_out(batch, tables, s)
            found = centres(sequence)
            best, score = np.empty_like(found), np.empty(len(found), dtype=np.float64)
            n, last = 0, 0
            for centre in found:
                while last + 1 < len(sequence.start) and sequence.start[last + 1] <= centre:
                    last += 1
                best[n], score[n] = _best_token(sequence, tables, centre, last, by, ties_by_lot)
                found[n] = centre
                n += best[n] >= 0  # over N there is no token to mask: no centre
            _hide(sequence, found[:n], best, score, n < all_long_below)
            mask_tokens_over_hidden(sequence, spans[batch.bounds[s] : batch.bounds[s + 1]])

    return loop


@compiled
def _best_token(
    sequence: Sequence, tables: Tables, centre: int, last: int, by: int, ties_by_lot: bool
) -> tuple[Int, float]:
    """The centre's token with the highest score, and that score; -1 where there is none.

    `last` is the last token that does not start beyond the centre. The highest lot settles ties, or else the first in
    order, which is from the token that starts last.
    """
    lots = mix(sequence.key + _TOKEN_TIE)
    best, best_score, best_lot = -1, 0.0, np.int64(0)
    j, t = 0, last
    while t >= 0 and j < tables.n_tokens:
        if sequence.n_bases[t] > 0:
            if sequence.maskable[t] and sequence.start[t] + sequence.n_bases[t] > centre:
                score = _score(sequence, tables, t, centre, by)
                if best < 0 or score >= best_score:
                    lot = (
                        np.int64(bits_at(lots, centre * tables.n_tokens + j) & _LARGEST)
                        if ties_by_lot
                        else np.int64(-j)
                    )
                    if best < 0 or score > best_score or lot > best_lot:
                        best, best_score, best_lot = t, score, lot
            j += 1
        t -= 1
    return best, best_score


@compiled
def _score(sequence: Sequence, tables: Tables, t: int, centre: int, by: int) -> float:
    if by == BY_NPMI:
        return tables.scores[np.uint64(sequence.input_ids[t])]
    if by == BY_DRAW:
        return draw(mix(sequence.key + _TOKEN_SCORE), t) * 2.0**-53
    if by == BY_NEARNESS:
        sought = (2 * ((tables.n_tokens - 1) // 2) + 1) * tables.stride - 1
        return -abs(2.0 * (centre - sequence.start[t]) - sought + 0.5)
    number = sequence.start[t] // tables.stride + 1
    if number < tables.first_kmer:
        return np.inf
    return max(tables.scores[number], _LOWEST) if number < len(tables.scores) else _LOWEST


@compiled
def _hide(sequence: Sequence, found: Array, best: Array, score: Array, all_long: bool) -> None:
    """Hide the tokens of the better half of the centres (C,), or of all, and the single bases of the others."""
    lots = mix(sequence.key + _CENTRE_TIE)
    lot = np.empty_like(found)
    for c in range(len(found)):
        lot[c] = np.int64(bits_at(lots, found[c]))
    for c in range(len(found)):
        if all_long or 2 * _n_better(c, score, lot) < len(found):
            hide_token(sequence, best[c])
        else:
            sequence.hidden[found[c]] = True


@compiled
def _n_better(c: int, score: Array, lot: Array) -> int:
    """How many centres beat centre c: a higher score, or the same and the lower lot."""
    n = 0
    for other in range(len(lot)):
        n += (score[other] > score[c]) | ((score[other] == score[c]) & (lot[other] < lot[c]))
    return n
