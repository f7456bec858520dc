"""From tokens to the bases under them and back: what a mask hides, and which mask hides a base.

Letters: T tokens of all packed sequences, B sequences, G bases of all sequences, C places in the grid, J tokens that
can cover one base, n things that are drawn.
"""

import torch
from torch import Tensor

from genomask.hashing import uniform
from genomask.masking.grid import BaseGrid
from genomask.types import TokenBases


def base_grid(input_ids: Tensor, cu_seqlens: Tensor, tokens: TokenBases) -> BaseGrid:
    """Lay packed tokens (T,) out over their bases; one sequence is one stretch of DNA (or of text)."""
    bounds = cu_seqlens.long()
    sequence = torch.repeat_interleave(bounds.diff(), output_size=len(input_ids))
    n_bases = tokens.n_bases[input_ids]
    overlap = tokens.k - tokens.stride
    steps = _cumulative((n_bases - overlap).clamp_(min=0))
    bases = steps[bounds].diff()
    offsets = _cumulative(torch.where(bases > 0, bases + overlap, 0))
    start = steps[:-1] + (offsets[:-1] - steps[bounds[:-1]])[sequence]
    return BaseGrid(start, n_bases, tokens.maskable[input_ids], bounds, offsets)


def uniforms(keys: Tensor, stream: int, bounds: Tensor) -> Tensor:
    """(n,) float64 `hashing.uniform` numbers, one for each of the things between the bounds (B + 1,) of a sequence."""
    sequence = torch.repeat_interleave(bounds.diff(), output_size=int(bounds[-1]))
    position = torch.arange(len(sequence), device=keys.device) - bounds[:-1][sequence]
    return uniform(keys[sequence], stream, position)


def drawn(keys: Tensor, stream: int, chance: Tensor, bounds: Tensor) -> Tensor:
    """(n,) bool: each of the things between the bounds (B + 1,) of a sequence, with its sequence's chance (B,)."""
    return uniforms(keys, stream, bounds) < torch.repeat_interleave(chance, bounds.diff(), output_size=int(bounds[-1]))


def tokens_covering(places: Tensor, grid: BaseGrid, n_tokens: int) -> tuple[Tensor, Tensor]:
    """For places (C,) in the grid: token indices (C, J) and which of them cover the place and may be masked.

    Order: from the token that starts last, special tokens left out; J = n_tokens. Where there is no such token the
    index is 0.
    """
    covering = (grid.n_bases > 0).nonzero().squeeze(1)
    last = torch.searchsorted(grid.start[covering], places, right=True) - 1
    at = last[:, None] - torch.arange(n_tokens, device=places.device)
    index = covering[at.clamp(min=0)]
    real = (at >= 0) & (grid.start[index] + grid.n_bases[index] > places[:, None]) & grid.maskable[index]
    return index.where(real, 0), real


def tokens_over(hidden: Tensor, grid: BaseGrid) -> Tensor:
    """(T,) bool: maskable tokens that cover at least one hidden base, of hidden bases (G,) bool."""
    before = _cumulative(hidden)
    return (before[grid.start + grid.n_bases] > before[grid.start]) & grid.maskable


def bases_under(masked: Tensor, grid: BaseGrid) -> Tensor:
    """(G,) bool: bases that no visible token tells, of masked tokens (T,) bool.

    Such a base is covered by a masked token and by no maskable token left visible. [UNK] (a token over N) is never
    masked and does not count as visible here: it names no letter of the bases it covers.
    """
    return (coverage(masked, grid) > 0) & (coverage(grid.maskable & ~masked, grid) == 0)


def coverage(chosen: Tensor, grid: BaseGrid) -> Tensor:
    """(G,) int32: how many of the chosen tokens (T,) bool cover each base."""
    change = torch.zeros(int(grid.offsets[-1]) + 1, dtype=torch.int32, device=chosen.device)
    ones = chosen.int()
    change.index_add_(0, grid.start, ones)
    change.index_add_(0, grid.start + grid.n_bases, -ones)
    return change.cumsum(0, dtype=torch.int32)[:-1]


def number_spans(masked: Tensor, grid: BaseGrid) -> Tensor:
    """(T,) int32: 0 where visible, else the number of the maximal run of masked tokens, from 1 in each sequence."""
    follows = torch.zeros_like(masked)
    follows[1:] = masked[:-1] & masked[1:] & (grid.position[1:] > 0)
    opened = _cumulative(masked & ~follows)[1:]
    at_start = opened - (masked & ~follows).long()  # spans opened before this token
    first_token = torch.arange(len(masked), device=masked.device) - grid.position
    return torch.where(masked, opened - at_start[first_token], 0).int()


def _cumulative(x: Tensor) -> Tensor:
    """(n + 1,) int64 sums of all that stands before each place and, last, of everything."""
    out = torch.zeros(len(x) + 1, dtype=torch.int64, device=x.device)
    torch.cumsum(x, 0, out=out[1:])
    return out
