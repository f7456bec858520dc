"""The grid of bases under packed tokens: where every token and every sequence lies.

Every packed sequence has its own stretch of one grid of bases; consecutive tokens overlap by k - stride bases, and
special tokens cover none. Text is the case k = stride = 1, where a "base" is a token.

Letters: T tokens of all packed sequences, B sequences, G bases of all sequences.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True)
class BaseGrid:
    """Place of every token and sequence in the grid of bases."""

    start: Tensor  # (T,) int64, first base of each token in the grid; never falls from one token to the next
    n_bases: Tensor  # (T,) int64, bases it covers, 0 for special tokens
    maskable: Tensor  # (T,) bool
    bounds: Tensor  # (B + 1,) int64, first token of each sequence; the last entry is T
    offsets: Tensor  # (B + 1,) int64, first base of each sequence in the grid; the last entry is G

    @property
    def lengths(self) -> Tensor:
        """(B,) int64 bases of each sequence."""
        return self.offsets[1:] - self.offsets[:-1]

    @cached_property
    def sequence(self) -> Tensor:
        """(T,) int64, the sequence of each token."""
        return torch.repeat_interleave(self.bounds.diff(), output_size=len(self.start))

    @cached_property
    def position(self) -> Tensor:
        """(T,) int64, the token's number within its sequence."""
        return torch.arange(len(self.start), device=self.start.device) - self.bounds[:-1][self.sequence]
