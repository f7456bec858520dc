"""Which bases of windows are soft-masked repeats, and how this changes the weights of tokens.

Letters: W windows, T packed tokens.
"""

import numpy as np
import torch
from torch import Tensor

from genomask.data.intervals import RunningCount
from genomask.data.windows import WindowBatch
from genomask.types import TokenBases, TokenSequences


def soft_masked(repeats: RunningCount, starts: np.ndarray, length: int) -> np.ndarray:
    """(W, length) bool, the bases of windows at `starts` (W,) that lie in the `repeats` of the genome."""
    borders = starts[:, None] + np.arange(length + 1)
    is_repeat: np.ndarray = np.diff(repeats.below(borders)) > 0
    return is_repeat


def weigh_repeats(
    tokens: TokenSequences, windows: WindowBatch, repeats: RunningCount, bases: TokenBases, weight: float
) -> TokenSequences:
    """The tokens of the windows with a weight each: 1 - (1 - weight) * f, where a fraction f of its bases is repeat.

    A token of repeats alone weighs `weight`, as a base does in GPN (Benegas et al. 2023), one that covers none 1, and
    one across a border in between. `bases` gives the bases of its window, as read, that a token covers.
    """
    first, stop = (place.numpy() for place in bases.places_packed(tokens))
    lengths = tokens.lengths.numpy()
    start, size, is_reverse = (np.repeat(x, lengths) for x in (windows.starts, windows.lengths, windows.reverse))
    lower = start + np.where(is_reverse, size - stop, first)
    n_bases = stop - first
    below, through = repeats.below(np.stack([lower, lower + n_bases]))
    fraction = (through - below) / np.maximum(1, n_bases)
    return tokens._replace(token_weights=_float32(1 - (1 - weight) * fraction))


def _float32(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))
