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
    _copy(ids, spans, out, labels)
    for s in range(len(keys)):
        actions, new_tokens = mix(keys[s] + _ACTION), mix(keys[s] + _NEW_TOKEN)
        for t in range(bounds[s], bounds[s + 1]):
            if spans[t] > 0:
                position = t - bounds[s]
                action = draw(actions, spans[t] if per_span else position)
                if action < limit_mask:
                    out[t] = mask_id
                elif action < limit_random:
                    out[t] = drawable[below(bits_at(new_tokens, position), len(drawable))]


@compiled
def _copy(ids: Array, spans: Array, out: Array, labels: Array) -> None:
    """Ids as they are, and labels of the masked; alone, so that the processor does eight tokens at once."""
    for t in range(len(ids)):
        out[t] = ids[t]
        labels[t] = ids[t] if spans[t] > 0 else IGNORE


@compiled
def _corrupt_bases(
    ids: Array, spans: Array, bounds: Array, keys: Array,
    maskable: Array, n_bases: Array, letters: Array, kmer_ids: Array, overlap: int,
    mask_id: int, limit_mask: np.uint64, limit_random: np.uint64, out: Array, labels: Array,
) -> None:  # fmt: skip
    """Tokens of a span that is replaced are recomputed from new bases where no visible token tells the old ones."""
    _copy(ids, spans, out, labels)
    for s in range(len(keys)):
        actions, new_bases = mix(keys[s] + _ACTION), mix(keys[s] + _NEW_BASE)
        start, reached = np.int64(0), bounds[s]  # first base, within the sequence, of the token reached
        number, action = np.int64(0), np.uint64(0)
        told_left = told_right = np.int64(0)
        for t in range(bounds[s], bounds[s + 1]):
            if spans[t] == 0:
                continue
            opens = spans[t] != number
            if opens:
                number = np.int64(spans[t])
                action = draw(actions, number)
            if action < limit_mask:
                out[t] = mask_id
            elif action < limit_random:
                start += _bases_between(ids, reached, t, n_bases, overlap)
                reached = t
                if opens:
                    told_left = _told_before(ids, spans, bounds[s], t, start, maskable, n_bases, overlap)
                    told_right = _told_after(ids, spans, t, bounds[s + 1], start, maskable, n_bases, overlap)
                out[t] = kmer_ids[_redrawn(letters[ids[t]], start, told_left, told_right, new_bases)]


@compiled
def _bases_between(ids: Array, first: Int, stop: Int, n_bases: Array, overlap: Int) -> np.int64:
    """From the start of token `first` to the start of token `stop`."""
    n = np.int64(0)
    for t in range(first, stop):
        n += max(n_bases[ids[t]] - overlap, 0)
    return n


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
def _told_before(
    ids: Array, spans: Array, first: Int, stop: Int, start: Int, maskable: Array, n_bases: Array, overlap: Int
) -> np.int64:
    """The base after the last that a visible token before `stop`, which starts at base `start`, tells."""
    for t in range(stop - 1, first - 1, -1):
        start -= max(n_bases[ids[t]] - overlap, 0)
        if spans[t] == 0 and maskable[ids[t]]:
            return np.int64(start + n_bases[ids[t]])
    return np.int64(0)


@compiled
def _told_after(
    ids: Array, spans: Array, first: Int, stop: Int, start: Int, maskable: Array, n_bases: Array, overlap: Int
) -> np.int64:
    """The first base that a visible token after `first`, which starts at base `start`, tells."""
    for t in range(first, stop):
        if spans[t] == 0 and maskable[ids[t]]:
            return np.int64(start)
        start += max(n_bases[ids[t]] - overlap, 0)
    return np.int64(2**62)
