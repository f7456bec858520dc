"""Corrupt masked tokens: 80 % become [MASK], 10 % something random, 10 % stay; tokens and spans in, ids and labels out.

Letters: T tokens of all packed sequences, B sequences.
"""

import numpy as np
import torch
from torch import Tensor

from genomask.errors import SettingsError
from genomask.hashing import Purpose
from genomask.masking.jit import Array, Int, below, bits_at, draw, jit, key_for, limit_of
from genomask.masking.packed import Packed, Vocabulary, checked, checked_spans
from genomask.types import IGNORE, TokenBases

MASK_FRACTION = 0.8
RANDOM_FRACTION = 0.1


def corrupt(
    input_ids: Tensor, spans: Tensor, cu_seqlens: Tensor, keys: Tensor, *, tokens: TokenBases, per: str = "span"
) -> tuple[Tensor, Tensor]:
    """Ids (T,) to train on and labels (T,), IGNORE where visible, from ids (T,) and their span numbers (T,).

    per="span": one draw per span. A span replaced at random gets new hidden bases, and its tokens are recomputed, so
    that the sequence stays legal k-mers. per="token": one draw per masked token, and a random one becomes any k-mer, as
    in other code. Random tokens of text and k-mers are drawn only from the maskable ids. Runs on the host: tensors on
    another device are copied there and back. Raises DataError for a batch that is inconsistent or does not fit the
    vocabulary.
    """
    if per not in ("span", "token"):
        raise SettingsError(f"corruption must be 'span' or 'token', got {per!r}.")
    batch, numbers = checked(input_ids, cu_seqlens, keys, tokens), checked_spans(spans, len(input_ids))
    out, labels = batch.input_ids.copy(), np.full_like(batch.input_ids, IGNORE)
    limits = limit_of(MASK_FRACTION), limit_of(MASK_FRACTION + RANDOM_FRACTION)
    _corrupt(batch, numbers, per == "span", tokens.mask_id, *limits, out, labels)
    device = input_ids.device
    return torch.from_numpy(out).to(device, input_ids.dtype), torch.from_numpy(labels).to(device, input_ids.dtype)


@jit
def _corrupt(
    batch: Packed, spans: Array, per_span: bool, mask_id: int, limit_mask: np.uint64, limit_random: np.uint64,
    out: Array, labels: Array,
) -> None:  # fmt: skip
    """A replaced token becomes any maskable one; in a span of k-mers, the k-mer that its bases spell.

    Its bases are redrawn where no visible token reveals them.
    """
    ids, vocabulary = batch.input_ids, batch.vocabulary
    maskable_ids, kmer_ids = vocabulary.maskable_ids, vocabulary.kmer_ids
    by_bases = per_span and len(kmer_ids) > 0
    for s in range(len(batch.keys)):
        first, stop = batch.bounds[s], batch.bounds[s + 1]
        actions = key_for(batch.keys[s], Purpose.ACTION)
        new_tokens, new_bases = key_for(batch.keys[s], Purpose.NEW_TOKEN), key_for(batch.keys[s], Purpose.NEW_BASE)
        drawn_for, action = np.int64(-1), np.uint64(0)  # cached: a span has one draw
        start, reached = np.int64(0), first  # first base, within the sequence, of the token reached
        visible_left = visible_right = np.int64(0)  # no visible token reveals the bases between them
        for t in range(first, stop):
            if spans[t] == 0:
                continue
            labels[t] = ids[t]
            place = spans[t] if per_span else t - first
            if place != drawn_for:
                drawn_for, action = np.int64(place), draw(actions, place)
            if action < limit_mask:
                out[t] = mask_id
            elif action < limit_random and not by_bases:
                out[t] = maskable_ids[below(bits_at(new_tokens, t - first), len(maskable_ids))]
            elif action < limit_random:
                for passed in range(reached, t):
                    start += _step(ids[passed], vocabulary)
                reached = t
                if visible_right <= start:  # those of an earlier span
                    visible_left = _visible_before(ids, spans, first, t, start, vocabulary)
                    visible_right = _visible_after(ids, spans, t, stop, start, vocabulary)
                out[t] = kmer_ids[_redrawn(vocabulary.letters[ids[t]], start, visible_left, visible_right, new_bases)]


@jit
def _step(token: Int, vocabulary: Vocabulary) -> np.int64:
    """Bases from the start of a token to the start of the next."""
    return max(vocabulary.n_bases[token] - (vocabulary.k - vocabulary.stride), 0)


@jit
def _redrawn(letters: Array, start: Int, visible_left: Int, visible_right: Int, new_bases: np.uint64) -> np.int64:
    """The k-mer's number in ACGT order, with the bases from visible_left to visible_right redrawn."""
    word = np.int64(0)
    for j in range(len(letters)):
        hidden = visible_left <= start + j < visible_right
        letter = below(bits_at(new_bases, start + j), 4) if hidden else np.int64(letters[j])
        word = 4 * word + letter
    return word


@jit
def _visible_before(ids: Array, spans: Array, first: Int, stop: Int, start: Int, vocabulary: Vocabulary) -> np.int64:
    """The base after the last that a visible token before `stop` reveals; `stop` starts at base `start`."""
    for t in range(stop - 1, first - 1, -1):
        start -= _step(ids[t], vocabulary)
        if spans[t] == 0 and vocabulary.maskable[ids[t]]:
            return np.int64(start + vocabulary.n_bases[ids[t]])
    return np.int64(0)


@jit
def _visible_after(ids: Array, spans: Array, first: Int, stop: Int, start: Int, vocabulary: Vocabulary) -> np.int64:
    """The first base that a visible token after `first` reveals; `first` starts at base `start`."""
    for t in range(first, stop):
        if spans[t] == 0 and vocabulary.maskable[ids[t]]:
            return np.int64(start)
        start += _step(ids[t], vocabulary)
    return np.int64(2**62)
