"""What a mask really hides: batches before and after corruption in, counts of tokens masked and bases hidden out."""

from typing import NamedTuple

import torch
from torch import Tensor

from genomask.masking.hidden import base_grid, coverage
from genomask.types import TokenBases


class MaskAccount(NamedTuple):
    """Counts over any number of batches; accounts add up with `+`. For text a base is a token."""

    tokens: int  # maskable tokens
    tokens_masked: int
    bases: int  # bases covered by a maskable token
    bases_hidden: int  # of these, told by no token left out of the mask
    bases_hidden_kept: int  # of the hidden, those that a masked token shows because corruption left it as it was

    @property
    def tokens_masked_fraction(self) -> float:
        """Share of maskable tokens that are masked."""
        return self.tokens_masked / max(1, self.tokens)

    @property
    def bases_hidden_fraction(self) -> float:
        """Share of bases that are hidden."""
        return self.bases_hidden / max(1, self.bases)

    @property
    def bases_hidden_kept_fraction(self) -> float:
        """Share of the hidden bases that can be read from a masked token left as it was."""
        return self.bases_hidden_kept / max(1, self.bases_hidden)

    def __add__(self, other: "MaskAccount") -> "MaskAccount":  # type: ignore[override]  # sums, not tuples end to end
        return MaskAccount(*(a + b for a, b in zip(self, other, strict=True)))


def account(
    input_ids_before: Tensor, input_ids_after: Tensor, spans: Tensor, cu_seqlens: Tensor, tokens: TokenBases
) -> MaskAccount:
    """Count what the spans (T,) hide in the packed ids (T,) before corruption, and what the ids after it still show.

    A redrawn token that happens to come out as it was counts as shown: nothing tells it from one that was kept.
    """
    grid = base_grid(input_ids_before, cu_seqlens, tokens.to(input_ids_before.device))
    masked = spans > 0
    visible = grid.maskable & ~masked
    shown = visible | (masked & (input_ids_before == input_ids_after))
    covered, told, readable = ((coverage(which, grid) > 0).sum() for which in (grid.maskable, visible, shown))
    parts = grid.maskable.sum(), masked.sum(), covered, covered - told, readable - told
    return MaskAccount(*torch.stack(parts).tolist())
