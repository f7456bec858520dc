"""Npmi-global: the best tokens of the whole sequence, CM-GEMS' hard phase. Its masks hardly vary from step to step.

Source: CM-GEMS (Roy, Sural and Ganguly, 2024), in bases.

Letters: T tokens of all packed sequences.
"""

import numpy as np
import torch
from torch import Tensor

from genomask.hashing import hash64
from genomask.masking import streams
from genomask.masking.compiled_hash import bits_at, compiled, mix, offset_of
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
from genomask.masking.strategies.centred import best_of_each
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
    """(n,) int64: the best maskable tokens, the lowest lot first among ties, in one pass that keeps the best so far."""
    ties = mix(sequence.key + _GLOBAL_TIE)
    best, score, lot = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.float64), np.empty(n, dtype=np.int64)
    kept = worst = 0
    for t in range(len(sequence.input_ids)):
        its_score = tables.scores[np.uint64(sequence.input_ids[t])]
        if not sequence.maskable[t] or (kept == n and its_score < score[worst]):
            continue
        its_lot = np.int64(bits_at(ties, t))
        if kept < n:
            place = kept
            kept += 1
        elif its_score > score[worst] or its_lot < lot[worst]:
            place = worst
        else:
            continue
        best[place], score[place], lot[place] = t, its_score, its_lot
        for c in range(kept):
            if score[c] < score[worst] or (score[c] == score[worst] and lot[c] > lot[worst]):
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
    grid, maskable = view.grid, view.grid.maskable
    sequence, position = grid.sequence[maskable], grid.position[maskable]
    n_wanted = torch.bincount(sequence[view.token_is_drawn()[maskable]], minlength=len(view.keys))
    lot = hash64(view.keys[sequence], streams.GLOBAL_TIE, position)
    best = torch.zeros_like(maskable)
    best[maskable] = best_of_each(view.scores[view.input_ids[maskable]], lot, sequence, n_wanted)
    return tokens_over(coverage(best, grid) > 0, grid)
