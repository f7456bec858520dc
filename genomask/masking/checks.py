"""Refuse batches and masks that are not what they should be: compiled loops look at nothing before they read and write.

Letters: T tokens of all packed sequences, B sequences, V ids.
"""

import numpy as np
import torch
from torch import Tensor

from genomask.errors import DataError, SettingsError
from genomask.masking.compiled_hash import Int, compiled

Array = np.ndarray

_FINE, _BAD_BOUNDS, _BAD_ID = range(3)


def require_batch(input_ids: Tensor, cu_seqlens: Tensor, keys: Tensor, n_ids: int) -> None:
    """Raises DataError unless packed ids (T,) from 0 to V - 1, bounds (B + 1,) and keys (B,) fit each other.

    On the CPU alone: elsewhere the host would have to wait, and the tensor operations check their indices themselves.
    """
    if input_ids.device.type != "cpu":
        return
    for name, x, dtypes in (
        ("input_ids", input_ids, (torch.int64, torch.int32)),
        ("cu_seqlens", cu_seqlens, (torch.int64, torch.int32)),
        ("keys", keys, (torch.int64,)),
    ):
        if x.ndim != 1 or x.dtype not in dtypes:
            raise DataError(f"masking: {name} must have one dimension and be int64, got {x.dtype} {tuple(x.shape)}.")
    fault = _fault(input_ids.numpy(), cu_seqlens.numpy(), len(keys), n_ids)
    if fault == _BAD_BOUNDS:
        raise DataError(
            f"masking: cu_seqlens must rise from 0 to the {len(input_ids)} tokens, one entry more than the {len(keys)} "
            f"keys; got {cu_seqlens.tolist()[:8]}{' ...' if len(cu_seqlens) > 8 else ''}."
        )
    if fault == _BAD_ID:
        raise DataError(
            f"masking: token ids must lie between 0 and {n_ids - 1}, as this vocabulary's do; got "
            f"{int(input_ids.min())} to {int(input_ids.max())}."
        )


@compiled
def _fault(ids: Array, bounds: Array, n_keys: Int, n_ids: Int) -> int:
    """What is wrong. More bounds than keys are padding, if they hold no tokens."""
    if n_keys >= len(bounds) or bounds[0] != 0 or bounds[n_keys] != len(ids):
        return _BAD_BOUNDS
    for s in range(len(bounds) - 1):
        if bounds[s] > bounds[s + 1]:
            return _BAD_BOUNDS
    all_inside = True
    for t in range(len(ids)):  # without a way out, so that the processor does eight tokens at once
        all_inside &= (ids[t] >= 0) & (ids[t] < n_ids)
    return _FINE if all_inside else _BAD_ID


def require_spans(spans: Tensor, n_tokens: int) -> None:
    """Raises DataError unless there is one whole number for each token."""
    if spans.shape != (n_tokens,) or spans.is_floating_point() or spans.dtype == torch.bool:
        raise DataError(
            f"masking: spans must be the ({n_tokens},) numbers that select returns, got {spans.dtype} "
            f"{tuple(spans.shape)}."
        )


def require_mask(masked: object, name: str, n_tokens: int) -> Tensor:
    """What a strategy returned; raises SettingsError unless it is bool and one for each token."""
    if isinstance(masked, Tensor) and masked.dtype == torch.bool and masked.shape == (n_tokens,):
        return masked
    got = f"{masked.dtype} {tuple(masked.shape)}" if isinstance(masked, Tensor) else type(masked).__name__
    raise SettingsError(
        f"masking strategy {name!r} must return which tokens to mask, torch.bool ({n_tokens},) for this batch; it "
        f"returned {got}."
    )
