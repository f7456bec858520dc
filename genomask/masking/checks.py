"""Packed tensors in, arrays for compiled loops out, once they are what they should be: the loops look at nothing.

Letters: T tokens of all packed sequences, B sequences.
"""

import torch
from torch import Tensor

from genomask.errors import DataError
from genomask.masking.jit import Array, Int, jit
from genomask.masking.sequence import Packed


def checked(input_ids: Tensor, cu_seqlens: Tensor, keys: Tensor, n_ids: int) -> Packed:
    """Packed ids (T,) from 0 to n_ids - 1, bounds (B + 1,) and keys (B,) as arrays on the host.

    More bounds than keys are padding, if they hold no tokens. Raises DataError for what does not fit each other.
    """
    for name, x, dtypes in (
        ("input_ids", input_ids, (torch.int64, torch.int32)),
        ("cu_seqlens", cu_seqlens, (torch.int64, torch.int32)),
        ("keys", keys, (torch.int64,)),
    ):
        if x.ndim != 1 or x.dtype not in dtypes:
            raise DataError(f"masking: {name} must have one dimension and be int64, got {x.dtype} {tuple(x.shape)}.")
    ids, bounds, numbers = (x.cpu().long().contiguous().numpy() for x in (input_ids, cu_seqlens, keys))
    bounds_fit, ids_fit = _fit(ids, bounds, len(numbers), n_ids)
    if not bounds_fit:
        raise DataError(
            f"masking: cu_seqlens must rise from 0 to the {len(ids)} tokens, one entry more than the {len(keys)} "
            f"keys; got {bounds.tolist()[:8]}{' ...' if len(bounds) > 8 else ''}."
        )
    if not ids_fit:
        raise DataError(
            f"masking: token ids must lie between 0 and {n_ids - 1}, as this vocabulary's do; got {ids.min()} to "
            f"{ids.max()}."
        )
    return Packed(ids, bounds, numbers.view("uint64"))


@jit
def _fit(ids: Array, bounds: Array, n_keys: Int, n_ids: Int) -> tuple[bool, bool]:
    """Do the bounds fit the keys and the tokens, and the ids the vocabulary?"""
    bounds_fit = bool(n_keys < len(bounds) and bounds[0] == 0 and bounds[n_keys] == len(ids))
    for s in range(len(bounds) - 1):
        bounds_fit &= bounds[s] <= bounds[s + 1]
    ids_fit = True
    for t in range(len(ids)):  # without a way out, so that the processor does eight tokens at once
        ids_fit &= (ids[t] >= 0) & (ids[t] < n_ids)
    return bounds_fit, ids_fit


def checked_spans(spans: Tensor, n_tokens: int) -> Array:
    """The numbers of the spans (T,) as an array. Raises DataError unless there is one whole number for each token."""
    if spans.shape != (n_tokens,) or spans.is_floating_point() or spans.dtype == torch.bool:
        raise DataError(
            f"masking: spans must be the ({n_tokens},) numbers that select returns, got {spans.dtype} "
            f"{tuple(spans.shape)}."
        )
    return spans.cpu().int().contiguous().numpy()
