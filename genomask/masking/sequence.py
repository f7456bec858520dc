"""What a strategy sees: one sequence of tokens with its bases, the draws it may take, and where it marks what to hide.

A strategy is a function of a Sequence that marks it by `hide_base`, `hide_bases`, `hide_token` or `mask_token`. The
functions here are compiled and may be called from compiled code and from plain Python alike. Every draw is a hash of
the sequence's own key, a purpose and a place in the sequence, so a sequence's mask is the same alone and in any batch.

Letters: T tokens of all packed sequences, B sequences, V ids, S tokens and G bases of one sequence, C centres.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np

from genomask.hashing import Purpose
from genomask.masking.jit import Array, Int, draw, jit, key_for, limit_of
from genomask.types import TokenBases


class Packed(NamedTuple):
    """One batch of token sequences, as arrays."""

    input_ids: Array  # (T,) int64
    bounds: Array  # (B + 1,) int64, first token of each sequence; the last entry is T
    keys: Array  # (B,) uint64


class Vocabulary(NamedTuple):
    """What masking knows of the ids: TokenBases as arrays."""

    k: int  # most bases of a token
    stride: int
    n_over: int  # most tokens that cover a base, J
    n_bases: Array  # (V,) int64
    maskable: Array  # (V,) bool
    maskable_ids: Array  # (n,) int64, of k-mers all of theirs
    word_start: Array  # (V,) bool
    letters: Array  # (V, k) uint8; (V, 0) for text
    kmer_ids: Array  # (4**k,) int64; (0,) where ids are no k-mers


@functools.lru_cache(maxsize=8)
def vocabulary_of(tokens: TokenBases) -> Vocabulary:
    """From tensors on any device; kept, for every batch asks."""
    tables = (
        tokens.n_bases, tokens.maskable, tokens.maskable_ids, tokens.word_start, tokens.letters, tokens.kmer_ids,
    )  # fmt: skip
    arrays = (x.cpu().contiguous().numpy() for x in tables)
    return Vocabulary(tokens.k, tokens.stride, tokens.most_tokens_over_a_base, *arrays)


class Settings(NamedTuple):
    """How a built strategy masks."""

    probabilities: Array  # (n,) float64 by number of bases in the sequence; the last entry holds for longer ones
    scores: Array  # (V,) float64, the NPMI of each id or what the strategy makes of it, or (0,)


class Sequence(NamedTuple):
    """One sequence and its bases, both counted from its own first."""

    input_ids: Array  # (S,) int64
    start: Array  # (S,) int64, first base of each token; a token of no bases has that of the next one
    n_bases: Array  # (S,) int64
    maskable: Array  # (S,) bool
    masked: Array  # (S,) bool, all False: tokens that are masked whatever is hidden
    hidden: Array  # (G + 1,) bool, all False: bases whose tokens are all masked; the last entry is no base
    weights: Array  # (G + 1,) float32, weight in the loss that hid each base, the lowest of several; inf where none
    vocabulary: Vocabulary
    scores: Array  # (V,) float64, as in Settings
    key: np.uint64
    limit: np.uint64  # `draw` below it is the strategy's elementary draw


@jit
def lay_out(ids: Array, vocabulary: Vocabulary) -> tuple[Array, Array, Array, Int]:
    """`start`, `n_bases` and `maskable` (S,) of one sequence, as in Sequence, and its number of bases G."""
    start, n_bases = np.empty_like(ids), np.empty_like(ids)
    maskable = np.empty(len(ids), dtype=np.bool_)
    for t in range(len(ids)):  # apart from the loop below, so that the processor does eight tokens at once
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


@jit
def open_sequence(batch: Packed, s: Int, vocabulary: Vocabulary, settings: Settings) -> Sequence:
    """Sequence number s, nothing of it hidden yet."""
    ids = batch.input_ids[batch.bounds[s] : batch.bounds[s + 1]]
    start, n_bases, maskable, length = lay_out(ids, vocabulary)
    probability = settings.probabilities[min(length, len(settings.probabilities) - 1)]
    masked, hidden = np.zeros(len(ids), dtype=np.bool_), np.zeros(length + 1, dtype=np.bool_)
    weights = np.full(length + 1, np.inf, dtype=np.float32)
    marks, key, limit = (masked, hidden, weights), batch.keys[s], limit_of(probability)
    return Sequence(ids, start, n_bases, maskable, *marks, vocabulary, settings.scores, key, limit)


@jit
def copied(vocabulary: Vocabulary, settings: Settings) -> tuple[Vocabulary, Array]:
    """The vocabulary, and the scores of the settings, that may be written to."""
    v = vocabulary
    arrays = v.n_bases.copy(), v.maskable.copy(), v.maskable_ids.copy(), v.word_start.copy(), v.letters.copy()
    return Vocabulary(v.k, v.stride, v.n_over, *arrays, v.kmer_ids.copy()), settings.scores.copy()


@jit
def to_be_marked(sequence: Sequence, vocabulary: Vocabulary, scores: Array) -> Sequence:
    """The sequence for a function that may write to more than its marks: these it shares, all else is a copy."""
    told = sequence.input_ids.copy(), sequence.start.copy(), sequence.n_bases.copy(), sequence.maskable.copy()
    marks = sequence.masked, sequence.hidden, sequence.weights
    return Sequence(*told, *marks, vocabulary, scores, sequence.key, sequence.limit)


def over_sequences(mask: Callable[..., None], on_copies: bool = False) -> Callable[..., bool]:
    """What masks a whole batch, given what marks one sequence and the strategy's own parameters.

    It writes the spans (T,) and, for sequences where one is not 1, the weights (T,). Is there any such sequence?
    on_copies: whatever `mask` writes to beside its marks, the spans follow from the sequence as it was.
    """

    def select(
        batch: Packed, vocabulary: Vocabulary, settings: Settings, parameters: tuple[Any, ...],
        spans: Array, weights: Array,
    ) -> bool:  # fmt: skip
        weighted = False
        tables = copied(vocabulary, settings) if on_copies else (vocabulary, settings.scores)
        for s in range(len(batch.keys)):
            sequence = open_sequence(batch, s, vocabulary, settings)
            mask(to_be_marked(sequence, *tables) if on_copies else sequence, *parameters)
            first, stop = batch.bounds[s], batch.bounds[s + 1]
            write_spans(sequence, spans[first:stop])
            weighted |= write_weights(sequence, spans[first:stop], weights[first:stop])
        return weighted

    return select


@jit
def _by_pointer(sequence: Sequence, mask: Callable[..., None], *parameters: Any) -> None:
    mask(sequence, *parameters)


select_by_pointer = jit(over_sequences(_by_pointer, on_copies=True))
"""The same for a function of a person's own, given as the first parameter: compiled once, whatever the function is."""

_WHOLE, _FLAG, _REAL = (np.zeros(1, dtype=dtype) for dtype in (np.int64, np.bool_, np.float64))
_TABLES = Vocabulary(1, 1, 1, _WHOLE, _FLAG, _WHOLE, _FLAG, np.zeros((1, 1), dtype=np.uint8), _WHOLE)
_MARKS = _FLAG, _FLAG, _REAL.astype(np.float32)
PACKED = numba.typeof(Packed(_WHOLE, _WHOLE, _WHOLE.view(np.uint64)))
VOCABULARY = numba.typeof(_TABLES)
SETTINGS = numba.typeof(Settings(_REAL, _REAL))
SEQUENCE = numba.typeof(Sequence(_WHOLE, _WHOLE, _WHOLE, _FLAG, *_MARKS, _TABLES, _REAL, np.uint64(0), np.uint64(0)))
"""The types that every strategy is compiled for."""


@jit
def centres(sequence: Sequence) -> Array:
    """(C,) int64 bases, each drawn independently with the strategy's probability."""
    key = key_for(sequence.key, Purpose.CENTRE)
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


@jit
def tokens_drawn(sequence: Sequence) -> Array:
    """(S,) bool: each token drawn independently with the strategy's probability."""
    key = key_for(sequence.key, Purpose.TOKEN)
    drawn = np.empty(len(sequence.input_ids), dtype=np.bool_)
    for t in range(len(drawn)):
        drawn[t] = draw(key, t) < sequence.limit
    return drawn


@jit
def uniform_at(sequence: Sequence, position: Int) -> float:
    """A number in [0, 1) for a strategy's own purposes, another one at each position (any whole number)."""
    return draw(key_for(sequence.key, Purpose.OWN), position) * 2.0**-53


@jit
def bases(sequence: Sequence) -> Array:
    """(G,) uint8 bases A0 C1 G2 T3 as its tokens tell them, 4 where none does."""
    found = np.full(len(sequence.hidden) - 1, 4, dtype=np.uint8)
    letters = sequence.vocabulary.letters
    for t in range(len(sequence.input_ids)):
        if sequence.maskable[t]:
            for i in range(min(sequence.n_bases[t], letters.shape[1])):
                found[sequence.start[t] + i] = letters[sequence.input_ids[t], i]
    return found


@jit
def hide_bases(sequence: Sequence, first: Int, stop: Int, weight: float = 1.0) -> None:
    """Hide the bases from `first` up to, but not, `stop`, as far as the sequence goes.

    `weight`, above 0, is that of every token of their span in the training loss. It should be 1 on average. Of spans
    that touch, and so are one, the lowest weight holds. Raises ValueError for a weight that float32 cannot hold.
    """
    if not 0 < np.float32(weight) < np.inf:  # as it is kept
        raise ValueError("the weight of a span must be a number above 0")
    for base in range(max(0, first), min(len(sequence.hidden) - 1, stop)):
        sequence.hidden[base] = True
        sequence.weights[base] = min(sequence.weights[base], np.float32(weight))


@jit
def hide_base(sequence: Sequence, base: Int, weight: float = 1.0) -> None:
    """Hide one base; one beyond the sequence is none."""
    hide_bases(sequence, base, base + 1, weight)


@jit
def hide_token(sequence: Sequence, t: Int, weight: float = 1.0) -> None:
    """Hide all bases of a token, so every token that overlaps it is masked too; one beyond the sequence is none."""
    if 0 <= t < len(sequence.start):
        hide_bases(sequence, sequence.start[t], sequence.start[t] + sequence.n_bases[t], weight)


@jit
def mask_token(sequence: Sequence, t: Int) -> None:
    """Mask one token alone, which on overlapping k-mers hides nearly nothing; one beyond the sequence is none."""
    if 0 <= t < len(sequence.masked):
        sequence.masked[t] = True


@jit
def write_spans(sequence: Sequence, spans: Array) -> None:
    """(S,) int32: 0 where a token stays visible, else the number of its run of masked tokens, from 1.

    Masked are the maskable tokens that are marked or cover a hidden base.
    """
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
        masked[t] = sequence.maskable[t] & (sequence.masked[t] | (last_hidden[beyond] >= sequence.start[t]))
    n = before = np.int32(0)
    for t in range(len(masked)):  # without a branch, as above
        here = np.int32(masked[t])
        n += here & ~before
        before = here
        spans[t] = n * here


@jit
def write_weights(sequence: Sequence, spans: Array, weights: Array) -> bool:
    """(S,) float32: of a span's tokens the lowest weight that hid a base of it, 1 for a token or base marked directly.

    Returns False, and writes nothing, where all weights are 1.
    """
    all_one = True
    for weight in sequence.weights:  # without a way out, as above
        all_one &= (weight == 1) | (weight == np.inf)
    if all_one:
        return False
    t = 0
    while t < len(spans):
        stop, lowest = t, np.float32(np.inf if spans[t] > 0 else 1)
        while stop < len(spans) and spans[stop] == spans[t]:
            lowest = min(lowest, np.float32(1 if sequence.masked[stop] else np.inf))
            stop += 1
        if spans[t] > 0:
            for base in range(sequence.start[t], sequence.start[stop - 1] + sequence.n_bases[stop - 1]):
                if sequence.hidden[base]:  # marked there directly it has no weight, which counts as 1
                    weight = sequence.weights[base]
                    lowest = min(lowest, weight if weight < np.inf else np.float32(1))
        weights[t:stop] = lowest
        t = stop
    return True
