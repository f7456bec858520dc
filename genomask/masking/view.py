"""What a strategy sees: packed tokens, their place in base space, and draws that depend on keys alone.

A strategy is a function of a MaskView that returns which tokens to mask. All its randomness comes from the view's
draws, whose positions are local to the sequence: a sequence's mask is the same alone, in any batch and any packing.

Letters: T tokens of all packed sequences, B sequences, G bases of all sequences, C centres, V ids.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from genomask.masking import streams
from genomask.masking.grid import BaseGrid
from genomask.masking.hidden import drawn, tokens_covering, tokens_over, uniforms
from genomask.types import TokenBases


@dataclass(frozen=True)
class MaskView:
    """One packed batch of token sequences, to be masked."""

    input_ids: Tensor  # (T,) int64
    keys: Tensor  # (B,) int64
    chance: Tensor  # (B,) float64, the probability of the strategy's elementary draw in each sequence
    tokens: TokenBases
    grid: BaseGrid
    scores: Tensor  # (V,) float64 NPMI of each id; (0,) for a strategy that did not ask for it

    def draw_tokens(self, stream: int) -> Tensor:
        """(T,) float64 uniform numbers, one for each token."""
        return uniforms(self.keys, stream, self.grid.bounds)

    def token_is_drawn(self) -> Tensor:
        """(T,) bool: each token independently, with its sequence's chance."""
        return drawn(self.keys, streams.TOKEN, self.chance, self.grid.bounds)

    def centres(self) -> Tensor:
        """(C,) int64 places in the grid: each base independently is one, with its sequence's chance."""
        return drawn(self.keys, streams.CENTRE, self.chance, self.grid.offsets).nonzero().squeeze(1)

    def hide(self, bases: Tensor) -> Tensor:
        """(T,) bool: the tokens to mask so that the given places in the grid are hidden."""
        hidden = torch.zeros(int(self.grid.offsets[-1]), dtype=torch.bool, device=bases.device)
        hidden[bases] = True
        return tokens_over(hidden, self.grid)

    def tokens_covering(self, bases: Tensor) -> tuple[Tensor, Tensor]:
        """For places (C,): token indices (C, J), J the most tokens that can cover a base, and which of them are real.

        A real one covers the base and may be masked; order: from the token that starts last.
        """
        return tokens_covering(bases, self.grid, -(-self.tokens.k // self.tokens.stride))
