"""Packed tensors in, checked arrays for compiled loops out: the loops themselves check nothing.

Letters: T tokens of all packed sequences, B sequences, V ids, S tokens and G bases of one sequence.
"""

import functools
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from genomask.errors import DataError
from genomask.masking.jit import Array, Int, jit
from genomask.types import TokenBases


class Vocabulary(NamedTuple):
    """What masking knows of the ids: TokenBases as arrays."""

    k: int  # most bases of a token
    stride: int
    n_over: int  # most tokens that cover a base, J
    n_bases: Array  # (V,) int64
    maskable: Array  # (V,) bool
    maskable_ids: Array  # (n,) int64, for k-mers all of their ids
    word_start: Array  # (V,) bool
    letters: Array  # (V, k) uint8; (V, 0) for text
    kmer_ids: Array  # (4**k,) int64; (0,) where ids are not k-mers


class Packed(NamedTuple):
    """One batch of token sequences, as arrays, and their vocabulary."""

    input_ids: Array  # (T,) int64
    bounds: Array  # (B + 1,) int64, first token of each sequence; the last entry is T
    keys: Array  # (B,) uint64
    vocabulary: Vocabulary


@functools.lru_cache(maxsize=8)
def vocabulary_of(tokens: TokenBases) -> Vocabulary:
    """From tensors on any device; cached, because every batch asks for it."""
    tables = (
        tokens.n_bases, tokens.maskable, tokens.maskable_ids, tokens.word_start, tokens.letters, tokens.kmer_ids,
    )  # fmt: skip
    arrays = (x.cpu().contiguous().numpy() for x in tables)
    return Vocabulary(tokens.k, tokens.stride, tokens.most_tokens_over_a_base, *arrays)


def checked(input_ids: Tensor, cu_seqlens: Tensor, keys: Tensor | None, tokens: TokenBases) -> Packed:
    """Packed ids (T,) of a vocabulary, bounds (B + 1,) and keys (B,), None if not needed, as arrays on the host.

    Bounds beyond the keys are padding, if they hold no tokens. Raises DataError for arguments that do not fit together.
    """
    keys = torch.zeros(max(0, len(cu_seqlens) - 1), dtype=torch.int64) if keys is None else keys
    for name, x, dtypes in (
        ("input_ids", input_ids, (torch.int64, torch.int32)),
        ("cu_seqlens", cu_seqlens, (torch.int64, torch.int32)),
        ("keys", keys, (torch.int64,)),
    ):
        if x.ndim != 1 or x.dtype not in dtypes:
            raise DataError(f"masking: {name} must have one dimension and be int64, got {x.dtype} {tuple(x.shape)}.")
    ids, bounds, numbers = (x.cpu().long().contiguous().numpy() for x in (input_ids, cu_seqlens, keys))
    n_ids = len(tokens.maskable)
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
    return Packed(ids, bounds, numbers.view("uint64"), vocabulary_of(tokens))


@jit
def _fit(ids: Array, bounds: Array, n_keys: Int, n_ids: Int) -> tuple[bool, bool]:
    """Do the bounds fit the keys and the tokens, and the ids the vocabulary?"""
    bounds_fit = bool(n_keys < len(bounds) and bounds[0] == 0 and bounds[n_keys] == len(ids))
    for s in range(len(bounds) - 1):
        bounds_fit &= bounds[s] <= bounds[s + 1]
    ids_fit = True
    for t in range(len(ids)):  # without an early exit, so that the processor handles eight tokens at once
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


@jit
def lay_out(ids: Array, vocabulary: Vocabulary) -> tuple[Array, Array, Array, Int]:
    """For one sequence: (S,) first base and number of bases of each token, whether it is maskable, and G.

    A token of no bases has the first base of the next one.
    """
    start, n_bases = np.empty_like(ids), np.empty_like(ids)
    maskable = np.empty(len(ids), dtype=np.bool_)
    for t in range(len(ids)):  # apart from the loop below, so that the processor handles eight tokens at once
        token = np.uint64(ids[t])
        n_bases[t], maskable[t] = vocabulary.n_bases[token], vocabulary.maskable[token]
    overlap = vocabulary.k - vocabulary.stride
    at = 0
    for t in range(len(ids)):
        start[t] = at
        at += max(n_bases[t] - overlap, 0)
    if at > 0:
        at += overlap
    return start, n_bases, maskable, at
