"""Strategies as compiled loops, one sequence after the other: what masks on a CPU. Here is what all of them share.

Every strategy of the house is written twice: with tensor operations, which say what it does and run on a GPU, and as
a loop, which is many times as fast on a CPU. Both give the same bits. A loop lays each sequence out over its bases,
marks what it hides, and writes the spans, all in the cache of one core.

Letters: T tokens of all packed sequences, B sequences, V ids, S tokens and G bases of one sequence.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from genomask.masking import streams
from genomask.masking.compiled_hash import compiled, draw, mix, offset_of

Array = np.ndarray

_CENTRE, _TOKEN = offset_of(streams.CENTRE), offset_of(streams.TOKEN)


class Packed(NamedTuple):
    """One batch of token sequences, as arrays."""

    input_ids: Array  # (T,) int64
    bounds: Array  # (B + 1,) int64, first token of each sequence; the last entry is T
    keys: Array  # (B,) uint64


class Tables(NamedTuple):
    """What a strategy knows of its vocabulary, as arrays."""

    k: int
    stride: int
    n_tokens: int  # most tokens that can cover a base
    first_kmer: int  # the lowest id of a k-mer; 0 for text
    n_bases: Array  # (V,) int64
    maskable: Array  # (V,) bool
    word_start: Array  # (V,) bool
    chances: Array  # (n,) float64 by number of bases in the sequence; the last entry holds for longer ones
    scores: Array  # (V,) float64, or (0,)


Loop = Callable[..., None]
"""From Packed, Tables, and the strategy's own parameters by name, to spans written into the last positional argument,
(T,) int32."""


class Sequence(NamedTuple):
    """One sequence and its bases, both counted from its own first."""

    input_ids: Array  # (S,) int64
    start: Array  # (S,) int64, first base of each token
    n_bases: Array  # (S,) int64
    maskable: Array  # (S,) bool
    hidden: Array  # (G + 1,) bool, all False
    key: np.uint64
    limit: np.uint64  # `draw` below it is the strategy's elementary draw


@compiled
def lay_out(batch: Packed, tables: Tables, s: int) -> Sequence:
    """Sequence number s."""
    ids = batch.input_ids[batch.bounds[s] : batch.bounds[s + 1]]
    start, n_bases = np.empty_like(ids), np.empty_like(ids)
    maskable = np.empty(len(ids), dtype=np.bool_)
    for t in range(len(ids)):  # apart from the loop below, so that the processor does eight tokens at once
        token = np.uint64(ids[t])
        n_bases[t], maskable[t] = tables.n_bases[token], tables.maskable[token]
    overlap = tables.k - tables.stride
    at = 0
    for t in range(len(ids)):
        start[t] = at
        at += max(n_bases[t] - overlap, 0)
    if at > 0:
        at += overlap
    chance = tables.chances[min(at, len(tables.chances) - 1)]
    hidden = np.zeros(at + 1, dtype=np.bool_)
    return Sequence(ids, start, n_bases, maskable, hidden, batch.keys[s], np.uint64(math.ceil(chance * 2.0**53)))


@compiled
def centres(sequence: Sequence) -> Array:
    """(C,) int64 bases, each drawn independently."""
    key = mix(sequence.key + _CENTRE)
    n_bases = len(sequence.hidden) - 1
    drawn = np.empty(n_bases, dtype=np.bool_)
    for i in range(n_bases):
        drawn[i] = draw(key, i) < sequence.limit
    found = np.empty(n_bases, dtype=np.int64)
    n = np.uint64(0)
    for i in range(n_bases):  # without a branch, which would be guessed wrongly at every centre
        found[n] = i
        n += np.uint64(drawn[i])
    return found[:n]


@compiled
def tokens_drawn(sequence: Sequence) -> Array:
    """(S,) bool: each token independently."""
    key = mix(sequence.key + _TOKEN)
    drawn = np.empty(len(sequence.input_ids), dtype=np.bool_)
    for t in range(len(drawn)):
        drawn[t] = draw(key, t) < sequence.limit
    return drawn


@compiled
def hide_token(sequence: Sequence, t: int) -> None:
    """Hide all bases of a token."""
    sequence.hidden[sequence.start[t] : sequence.start[t] + sequence.n_bases[t]] = True


@compiled
def mask_tokens_over_hidden(sequence: Sequence, spans: Array) -> None:
    """Write the spans (S,) of the maskable tokens that cover a hidden base."""
    hidden = sequence.hidden
    last_hidden = np.empty(len(hidden), dtype=np.int64)  # before each base
    last = -1
    for g in range(len(hidden)):
        last_hidden[g] = last
        last = g if hidden[g] else last
    masked = np.empty(len(spans), dtype=np.bool_)
    for t in range(len(spans)):
        first = np.uint64(sequence.start[t])
        beyond = first + np.uint64(sequence.n_bases[t])
        masked[t] = sequence.maskable[t] & (last_hidden[beyond] >= sequence.start[t])
    number_spans(masked, spans)


@compiled
def number_spans(masked: Array, spans: Array) -> None:
    """Write 0 where a token (S,) is visible, else the number of the run of masked tokens, from 1."""
    n = before = np.int32(0)
    for t in range(len(masked)):  # without a branch, as above
        here = np.int32(masked[t])
        n += here & ~before
        before = here
        spans[t] = n * here
