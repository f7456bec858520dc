"""Masked sequences made by hand."""

import numpy as np

from genomask.masking import MaskAccount
from genomask.report.mask_rows import MaskedSequence, MaskRow, Tally


def row(strategy: str, masked: set[int], n_bases: int, k: int) -> MaskRow:
    """A row in which the given tokens are masked, its hidden bases found one by one."""
    n_tokens = n_bases - k + 1
    over = [{token for token in range(n_tokens) if token <= base < token + k} for base in range(n_bases)]
    hidden = np.array([tokens <= masked for tokens in over])
    n_spans = sum(token - 1 not in masked for token in masked)
    account = MaskAccount(n_tokens, len(masked), n_bases, int(hidden.sum()), 0)
    flags = np.array([token in masked for token in range(n_tokens)])
    return MaskRow(strategy, flags, hidden, Tally(1, n_spans, account), Tally(1, n_spans, account))


def sequence(letters: str, k: int, masks: dict[str, set[int]], first: int = 1, npmi: tuple = ()) -> MaskedSequence:
    rows = tuple(row(strategy, masked, len(letters), k) for strategy, masked in masks.items())
    return MaskedSequence(name="chr1", first=first, letters=letters, k=k, best_npmi=np.array(npmi), rows=rows)


FOUR_IN_A_ROW = {"genemask": {3, 4, 5, 6}, "uniform": {0, 9}}
"""Tokens of three bases over twelve: the four hide bases 5 and 6; the two at the ends hide the first and the last."""
TWELVE = "ACGTACGTACGT"
