"""The functions of `hidden` as tensor operations: for a GPU, and the twin that the compiled loops must match."""

import torch
from torch import Tensor

from genomask.hashing import uniform
from genomask.masking.grid import BaseGrid
from genomask.types import TokenBases


def base_grid(input_ids: Tensor, bounds: Tensor, tokens: TokenBases) -> BaseGrid:
    sequence = torch.repeat_interleave(bounds.diff(), output_size=len(input_ids))
    n_bases = tokens.n_bases[input_ids]
    overlap = tokens.k - tokens.stride
    steps = _cumulative((n_bases - overlap).clamp_(min=0))
    bases = steps[bounds].diff()
    offsets = _cumulative(torch.where(bases > 0, bases + overlap, 0))
    start = steps[:-1] + (offsets[:-1] - steps[bounds[:-1]])[sequence]
    return BaseGrid(start, n_bases, tokens.maskable[input_ids], bounds, offsets)


def uniforms(keys: Tensor, stream: int, bounds: Tensor) -> Tensor:
    sequence = torch.repeat_interleave(bounds.diff(), output_size=int(bounds[-1]))
    position = torch.arange(len(sequence), device=keys.device) - bounds[:-1][sequence]
    return uniform(keys[sequence], stream, position)


def drawn(keys: Tensor, stream: int, chance: Tensor, bounds: Tensor) -> Tensor:
    return uniforms(keys, stream, bounds) < torch.repeat_interleave(chance, bounds.diff(), output_size=int(bounds[-1]))


def places_drawn(keys: Tensor, stream: int, chance: Tensor, bounds: Tensor) -> Tensor:
    return drawn(keys, stream, chance, bounds).nonzero().squeeze(1)


def tokens_covering(places: Tensor, grid: BaseGrid, n_tokens: int) -> tuple[Tensor, Tensor]:
    covering = (grid.n_bases > 0).nonzero().squeeze(1)
    last = torch.searchsorted(grid.start[covering], places, right=True) - 1
    at = last[:, None] - torch.arange(n_tokens, device=places.device)
    index = covering[at.clamp(min=0)]
    real = (at >= 0) & (grid.start[index] + grid.n_bases[index] > places[:, None]) & grid.maskable[index]
    return index.where(real, 0), real


def tokens_over(hidden: Tensor, grid: BaseGrid) -> Tensor:
    before = _cumulative(hidden)
    return (before[grid.start + grid.n_bases] > before[grid.start]) & grid.maskable


def coverage(chosen: Tensor, grid: BaseGrid) -> Tensor:
    change = torch.zeros(int(grid.offsets[-1]) + 1, dtype=torch.int32, device=chosen.device)
    ones = chosen.int()
    change.index_add_(0, grid.start, ones)
    change.index_add_(0, grid.start + grid.n_bases, -ones)
    return change.cumsum(0, dtype=torch.int32)[:-1]


def number_spans(masked: Tensor, grid: BaseGrid) -> Tensor:
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
