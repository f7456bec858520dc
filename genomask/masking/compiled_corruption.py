"""Corruption as compiled loops: what runs on a CPU, in one pass through memory.

Letters: T tokens of all packed sequences, B sequences.
"""

import numpy as np
import torch
from torch import Tensor

from genomask.masking import streams
from genomask.masking.compiled_hash import Int, below, bits_at, compiled, draw, limit_of, mix, offset_of
from genomask.types import IGNORE, TokenBases

Array = np.ndarray

_ACTION, _NEW_BASE, _NEW_TOKEN = (offset_of(s) for s in (streams.ACTION, streams.NEW_BASE, streams.NEW_TOKEN))


def corrupt(
    input_ids: Tensor,
    spans: Tensor,
    cu_seqlens: Tensor,
    keys: Tensor,
    tokens: TokenBases,
    per: str,
    limits: tuple[float, float],
) -> tuple[Tensor, Tensor]:
    """Ids (T,) and labels (T,); of draws, those below the first limit become [MASK], those below the second random."""
    out, labels = torch.empty_like(input_ids), torch.empty_like(input_ids)
    packed = input_ids.numpy(), spans.numpy(), cu_seqlens.long().numpy(), keys.numpy().view(np.uint64)
    below_limits, written = (limit_of(limits[0]), limit_of(limits[1])), (out.numpy(), labels.numpy())
    if per == "span" and tokens.is_dna:
        tables = tokens.maskable.numpy(), tokens.n_bases.numpy(), tokens.letters.numpy(), tokens.kmer_ids.numpy()
        _corrupt_bases(*packed, *tables, tokens.k - tokens.stride, tokens.mask_id, *below_limits, *written)
    else:
        _corrupt_tokens(*packed, tokens.maskable_ids.numpy(), per == "span", tokens.mask_id, *below_limits, *written)
    return out, labels


@compiled
def _corrupt_tokens(
    ids: Array, spans: Array, bounds: Array, keys: Array, drawable: Array, per_span: bool,
    mask_id: int, limit_mask: np.uint64, limit_random: np.uint64, out: Array, labels: Array,
) -> None:  # fmt: skip
    """A token that is replaced becomes any drawable one."""
    for s in range(len(bounds) - 1):
        actions, new_tokens = mix(keys[s] + _ACTION), mix(keys[s] + _NEW_TOKEN)
        for t in range(bounds[s], bounds[s + 1]):
            out[t], labels[t] = ids[t], IGNORE
            if spans[t] > 0:
                labels[t] = ids[t]
                position = t - bounds[s]
                action = draw(actions, spans[t] if per_span else position)
                if action < limit_mask:
                    out[t] = mask_id
                elif action < limit_random:
                    out[t] = drawable[below(bits_at(new_tokens, position), len(drawable))]


@compiled
def _corrupt_bases(
    ids: Array, spans: Array, bounds: Array, keys: Array,
    maskable: Array, n_bases: Array, letters: Array, kmer_ids: Array, overlap: int,
    mask_id: int, limit_mask: np.uint64, limit_random: np.uint64, out: Array, labels: Array,
) -> None:  # fmt: skip
    """Tokens of a span that is replaced are recomputed from new bases where no visible token tells the old ones."""
    for s in range(len(bounds) - 1):
        actions, new_bases = mix(keys[s] + _ACTION), mix(keys[s] + _NEW_BASE)
        start = 0  # of the token, in bases of its sequence
        told_left = 0  # visible tokens to the left tell the bases before this one ...
        told_right = np.int64(
            -1
        )  # ... and those to the right the bases from this one on; -1: not looked up for this span
        number = np.int64(0)
        action = np.uint64(0)
        for t in range(bounds[s], bounds[s + 1]):
            out[t], labels[t] = ids[t], IGNORE
            if spans[t] > 0:
                labels[t] = ids[t]
                if spans[t] != number:
                    number, told_right = np.int64(spans[t]), np.int64(-1)
                    action = draw(actions, number)
                if action < limit_mask:
                    out[t] = mask_id
                elif action < limit_random:
                    if told_right < 0:
                        told_right = _next_told(ids, spans, t, bounds[s + 1], start, maskable, n_bases, overlap)
                    out[t] = kmer_ids[_redrawn(letters[ids[t]], start, told_left, told_right, new_bases)]
            elif maskable[ids[t]]:
                told_left = start + n_bases[ids[t]]
            start += max(n_bases[ids[t]] - overlap, 0)


@compiled
def _redrawn(letters: Array, start: Int, told_left: Int, told_right: Int, new_bases: np.uint64) -> np.int64:
    """The k-mer's number in ACGT order, with bases from told_left to told_right drawn anew."""
    word = np.int64(0)
    for j in range(len(letters)):
        hidden = told_left <= start + j < told_right
        letter = below(bits_at(new_bases, start + j), 4) if hidden else np.int64(letters[j])
        word = 4 * word + letter
    return word


@compiled
def _next_told(
    ids: Array, spans: Array, first: Int, stop: Int, start: Int, maskable: Array, n_bases: Array, overlap: Int
) -> np.int64:
    """First base, from token `first` at base `start` on, that a visible token tells."""
    for t in range(first, stop):
        if spans[t] == 0 and maskable[ids[t]]:
            return np.int64(start)
        start += max(n_bases[ids[t]] - overlap, 0)
    return np.int64(2**62)
