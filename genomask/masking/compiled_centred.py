"""Hiding around centres as compiled loops: what runs on a CPU. Its twin is in `strategies.centred`.

Letters: B sequences, G bases of all sequences, C centres, J tokens that can cover a base.
"""

import numpy as np
import torch
from torch import Tensor

from genomask.masking import streams
from genomask.masking.compiled_hash import bits_at, compiled, mix, offset_of
from genomask.masking.grid import BaseGrid

Array = np.ndarray

_TOKEN_TIE, _CENTRE_TIE = offset_of(streams.TOKEN_TIE), offset_of(streams.CENTRE_TIE)


def hidden_around(
    centres: Tensor, index: Tensor, real: Tensor, score: Tensor, keys: Tensor, grid: BaseGrid, all_long: bool
) -> Tensor:
    """(G,) bool: the bases hidden around centres (C,), given the tokens over each, (C, J), and their scores."""
    offsets = grid.offsets.numpy()
    hidden = np.zeros(offsets[-1], dtype=bool)
    tokens = index.numpy(), real.numpy(), score.numpy()
    places = grid.start.numpy(), grid.n_bases.numpy(), offsets
    _hide_around(centres.numpy(), *tokens, keys.numpy().view(np.uint64), *places, all_long, hidden)
    return torch.from_numpy(hidden)


@compiled
def _hide_around(
    centres: Array, index: Array, real: Array, score: Array, keys: Array,
    start: Array, n_bases: Array, offsets: Array, all_long: bool, hidden: Array,
) -> None:  # fmt: skip
    best, best_score, lot = np.empty_like(centres), np.empty_like(score[:, 0]), np.empty_like(centres)
    first = 0
    for s in range(len(keys)):
        token_key, centre_key = mix(keys[s] + _TOKEN_TIE), mix(keys[s] + _CENTRE_TIE)
        stop = first
        while stop < len(centres) and centres[stop] < offsets[s + 1]:
            c = stop
            base = centres[c] - offsets[s]
            best[c] = _best_token(index[c], real[c], score[c], token_key, base)
            best_score[c] = score[c, best[c]] if best[c] >= 0 else -np.inf
            lot[c] = np.int64(bits_at(centre_key, base))
            stop += 1
        n_centres = 0
        for c in range(first, stop):
            n_centres += best[c] >= 0
        for c in range(first, stop):
            if best[c] < 0:
                continue  # over N there is no token to mask: no centre
            if all_long or 2 * _n_better(c, first, stop, best, best_score, lot) < n_centres:
                token = index[c, best[c]]
                hidden[start[token] : start[token] + n_bases[token]] = True
            else:
                hidden[centres[c]] = True
        first = stop


@compiled
def _best_token(index: Array, real: Array, score: Array, key: np.uint64, base: int) -> int:
    """Which of the centre's tokens has the highest score, the highest draw settling ties; -1 where there is none."""
    best, best_draw = -1, np.int64(0)
    for j in range(len(index)):
        if real[j] and (best < 0 or score[j] >= score[best]):
            drawn = np.int64(bits_at(key, base * len(index) + j) & np.uint64(2**63 - 1))
            if best < 0 or score[j] > score[best] or drawn > best_draw:
                best, best_draw = j, drawn
    return best


@compiled
def _n_better(c: int, first: int, stop: int, best: Array, score: Array, lot: Array) -> int:
    """How many centres of the sequence beat centre c: a higher score, or the same and the lower lot."""
    n = 0
    for other in range(first, stop):
        if best[other] >= 0:
            n += score[other] > score[c] or (score[other] == score[c] and lot[other] < lot[c])
    return n
