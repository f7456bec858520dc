"""Fixed evaluation masks: which bases of the held-out windows are hidden, the same for every strategy and k.

Letters: W windows, L bases and S tokens of a window.
"""

import torch
from torch import Tensor

from genomask.data.validation_windows import EVALUATION_BLOCK as BLOCK
from genomask.hashing import Purpose, below, hash64

MARGIN = 16
"""Items stay this many bases from each other and from the ends of the window."""
ITEM_LENGTHS = {"single": 1, "six": 6}
"""Bases in a row that an item hides, by the name of the pass."""

_PURPOSES = {"single": Purpose.SINGLE, "six": Purpose.SIX}


def hidden_bases(keys: Tensor, n_bases: int, item: str) -> Tensor:
    """(W, L) bool: the bases hidden in pass `item` of windows with these keys (W,).

    Within a block an item keeps MARGIN / 2 bases to both borders, so that neighbours are MARGIN apart; the first and
    the last item keep MARGIN bases to the end of the window. A block too short for that hides nothing.
    """
    length = ITEM_LENGTHS[item]
    hidden = torch.zeros(len(keys), n_bases, dtype=torch.bool)
    rows = torch.arange(len(keys))
    for block, start in enumerate(range(0, n_bases, BLOCK)):
        lowest = max(start + MARGIN // 2, MARGIN)
        highest = min(start + BLOCK - MARGIN // 2, n_bases - MARGIN) - length
        if highest < lowest:
            continue
        at = lowest + below(hash64(keys, _PURPOSES[item], torch.tensor([block])), highest - lowest + 1)
        for offset in range(length):
            hidden[rows, at + offset] = True
    return hidden


def covering_tokens(hidden: Tensor, start: Tensor, stop: Tensor) -> Tensor:
    """(W, S) bool: tokens that cover a hidden base of their window, given the bases [start, stop) (W, S) of each."""
    before = torch.nn.functional.pad(hidden.long().cumsum(1), (1, 0))
    return before.gather(1, stop) > before.gather(1, start)
