"""Npmi-global: the best tokens of the whole sequence, CM-GEMS' hard phase. Its masks hardly vary from step to step.

Source: CM-GEMS (Roy, Sural and Ganguly, 2024), in bases.

Letters: T tokens of all packed sequences, B sequences, S tokens of the longest.
"""

import functools

import numpy as np
import torch
from torch import Tensor

from genomask.masking import streams
from genomask.masking.compiled_hash import compiled, draw, mix, offset_of
from genomask.masking.hidden import coverage, tokens_over
from genomask.masking.loops import (
    Array,
    Packed,
    Sequence,
    Tables,
    hide_token,
    lay_out,
    mask_tokens_over_hidden,
    tokens_drawn,
)
from genomask.masking.registry import register
from genomask.masking.strategies.fixed_span import published_chance
from genomask.masking.view import MaskView

_GLOBAL_TIE = offset_of(streams.GLOBAL_TIE)


@compiled
def npmi_global_loop(batch: Packed, tables: Tables, spans: Array) -> None:
    """The same as a loop."""
    for s in range(len(batch.keys)):
        sequence = lay_out(batch, tables, s)
        n_wanted = int(np.sum(tokens_drawn(sequence) & sequence.maskable))
        if n_wanted > 0:
            for t in _best_tokens(sequence, tables, n_wanted):
                hide_token(sequence, t)
        mask_tokens_over_hidden(sequence, spans[batch.bounds[s] : batch.bounds[s + 1]])


@compiled
def _best_tokens(sequence: Sequence, tables: Tables, n: int) -> Array:
    """(n,) int64: the best of the maskable tokens, in one pass that keeps the best so far."""
    ties = mix(sequence.key + _GLOBAL_TIE)
    best, score, lot = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.float64), np.empty(n, dtype=np.uint64)
    kept = worst = 0
    for t in range(len(sequence.input_ids)):
        its_score = tables.scores[np.uint64(sequence.input_ids[t])]
        if not sequence.maskable[t] or (kept == n and its_score < score[worst]):
            continue
        its_lot = draw(ties, t)
        if kept < n:
            place = kept
            kept += 1
        elif its_score > score[worst] or its_lot > lot[worst]:
            place = worst
        else:
            continue
        best[place], score[place], lot[place] = t, its_score, its_lot
        for c in range(kept):
            if score[c] < score[worst] or (score[c] == score[worst] and lot[c] < lot[worst]):
                worst = c
    return best


@register(
    "npmi-global",
    published=published_chance,
    units="dna",
    needs_npmi=True,
    needs_windows=True,
    loop=npmi_global_loop,
)
def npmi_global(view: MaskView) -> Tensor:
    """The n tokens of highest NPMI, ties at random, hide all their bases; n is binomial."""
    grid, n_sequences = view.grid, len(view.keys)
    n_wanted = numbers_between(view.token_is_drawn() & grid.maskable, grid.bounds)
    n_best, longest = int(n_wanted.max()), int(grid.bounds.diff().max())

    order = places_of(view.scores, view.tokens.maskable)[view.input_ids] + view.draw_tokens(streams.GLOBAL_TIE)
    order_BS = torch.full((n_sequences, longest), -1.0, dtype=order.dtype, device=order.device)
    order_BS[grid.sequence, grid.position] = order
    position = order_BS.topk(n_best, 1).indices
    sequence, rank = (torch.arange(n_best, device=order.device) < n_wanted[:, None]).nonzero(as_tuple=True)

    best = torch.zeros_like(grid.maskable)
    best[grid.bounds[sequence] + position[sequence, rank]] = True
    return tokens_over(coverage(best, grid) > 0, grid)


@functools.lru_cache(maxsize=8)
def places_of(scores: Tensor, maskable: Tensor) -> Tensor:
    """(V,) float64: the place of each id's score among all scores, from 0 for the lowest; -1 for what is not maskable.

    Tables are told apart by identity: a strategy keeps its own for good.
    """
    places = scores.unique(return_inverse=True)[1].double()
    places[~maskable] = -1.0  # they come last, and n_wanted counts only others
    return places


def numbers_between(chosen: Tensor, bounds: Tensor) -> Tensor:
    """(B,) int64: how many are chosen between the bounds (B + 1,) of each sequence."""
    total = torch.zeros(len(chosen) + 1, dtype=torch.int64, device=chosen.device)
    torch.cumsum(chosen, 0, out=total[1:])
    return total[bounds].diff()
