"""A stretch of DNA and what each strategy hides in it: the data of the picture, the coloured text and the table.

Letters: L bases, T = L - k + 1 tokens; token i covers the bases i .. i + k - 1.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from genomask.masking.accounting import MaskAccount


class Tally(NamedTuple):
    """What a number of masks of the sequence did in total."""

    masks: int
    spans: int
    account: MaskAccount

    @property
    def tokens_a_span(self) -> str:
        """Mean length of a span in tokens, one decimal; `-` where there is no span."""
        return f"{self.account.tokens_masked / self.spans:.1f}" if self.spans else "-"


class MaskRow(NamedTuple):
    """One strategy: the mask that is shown, and what many masks of the same sequence do on average."""

    strategy: str
    masked: np.ndarray  # (T,) bool
    hidden: np.ndarray  # (L,) bool, every token over the base is masked
    shown: Tally
    many: Tally

    @property
    def covered(self) -> np.ndarray:
        """(L,) bool: bases under at least one masked token, the hidden ones among them."""
        k = len(self.hidden) - len(self.masked) + 1
        return np.convolve(self.masked, np.ones(k, dtype=int)) > 0


@dataclass(frozen=True, kw_only=True)
class MaskedSequence:
    """The sequence and its rows."""

    name: str
    """Record it comes from, empty for typed letters."""
    first: int
    """Number of its first base in the record, from 1."""
    letters: str
    """(L,) A C G T, N where unknown."""
    k: int
    best_npmi: np.ndarray
    """(L,) float64, the highest NPMI of the k-mers over each base, NaN where none has one; (0,) without a table."""
    rows: tuple[MaskRow, ...]

    @property
    def title(self) -> str:
        """`chrI:1,001-1,120, 120 bases, k = 6`."""
        where = f"{self.name}:{self.first:,}-{self.first + len(self.letters) - 1:,}, " if self.name else ""
        return f"{where}{len(self.letters):,} bases, k = {self.k}"


def tally_frame(sequence: MaskedSequence) -> pd.DataFrame:
    """The accounting table as read, one row per strategy: the mask that is shown, and the mean of many beside it."""
    return pd.DataFrame(
        [
            {
                "masking": row.strategy,
                "tokens masked": f"{100 * row.shown.account.tokens_masked_fraction:.1f} %",
                "bases hidden": f"{100 * row.shown.account.bases_hidden_fraction:.1f} %",
                "spans": f"{row.shown.spans}",
                "tokens a span": row.shown.tokens_a_span,
                "mean tokens masked": f"{100 * row.many.account.tokens_masked_fraction:.2f} %",
                "mean bases hidden": f"{100 * row.many.account.bases_hidden_fraction:.2f} %",
                "mean tokens a span": row.many.tokens_a_span,
            }
            for row in sequence.rows
        ]
    )
