"""Npmi-global: the best tokens of the whole sequence, CM-GEMS' hard phase. Its masks hardly vary from step to step.

Source: CM-GEMS (Roy, Sural and Ganguly, 2024), in bases.

Letters: T tokens of all packed sequences, B sequences, S tokens of the longest.
"""

import functools

import torch
from torch import Tensor

from genomask.masking import streams
from genomask.masking.hidden import coverage, tokens_over
from genomask.masking.registry import register
from genomask.masking.strategies.fixed_span import published_chance
from genomask.masking.view import MaskView


@register("npmi-global", published=published_chance, units="dna", needs_npmi=True, needs_windows=True)
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
