"""Where tokens lie in base space: packed tokens in, a grid of bases out, and the way from one to the other.

Every packed sequence has its own stretch of one grid of bases; consecutive tokens overlap by k - stride bases, and
special tokens cover none. Text is the case k = stride = 1, where a "base" is a token.

Letters: T tokens of all packed sequences, B sequences, G bases of all sequences.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from genomask.types import TokenBases


class BaseGrid(NamedTuple):
    """Place of every token and sequence in the grid of bases."""

    sequence: Tensor  # (T,) int64, the sequence of each token
    position: Tensor  # (T,) int64, the token's number within its sequence
    start: Tensor  # (T,) int64, first base of each token in the grid
    n_bases: Tensor  # (T,) int64, bases it covers, 0 for special tokens
    maskable: Tensor  # (T,) bool
    offsets: Tensor  # (B + 1,) int64, first base of each sequence in the grid; the last entry is G

    @property
    def lengths(self) -> Tensor:
        """(B,) int64 bases of each sequence."""
        return self.offsets.diff()


def base_grid(input_ids: Tensor, cu_seqlens: Tensor, tokens: TokenBases) -> BaseGrid:
    """Lay packed tokens (T,) out over their bases; one sequence is one stretch of DNA (or of text)."""
    bounds = cu_seqlens.long()
    lengths = bounds.diff()
    sequence = torch.repeat_interleave(lengths, output_size=len(input_ids))
    n_bases = tokens.n_bases[input_ids]
    overlap = tokens.k - tokens.stride
    steps = _cumulative((n_bases - overlap).clamp_(min=0))
    bases = steps[bounds].diff()
    offsets = _cumulative(torch.where(bases > 0, bases + overlap, 0))
    start = steps[:-1] + (offsets[:-1] - steps[bounds[:-1]])[sequence]
    position = torch.arange(len(input_ids), device=input_ids.device) - bounds[:-1][sequence]
    return BaseGrid(sequence, position, start, n_bases, tokens.maskable[input_ids], offsets)


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
    n_grid = int(grid.offsets[-1])
    change = torch.zeros(n_grid + 1, dtype=torch.int32, device=chosen.device)
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
