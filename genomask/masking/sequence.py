"""What a strategy sees: one sequence of tokens with its bases, the draws it may take, and where it marks what to hide.

A strategy is a function of a Sequence that marks it with `hide_base`, `hide_bases`, `hide_token` or `mask_token`. The
functions here are compiled and may be called from compiled code and from plain Python alike. Every draw is a hash of
the sequence's own key, a purpose and a place in the sequence, so a sequence's mask is the same alone and in any batch.

Letters: T tokens of all packed sequences, B sequences, V ids, S tokens and G bases of one sequence, C centres.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np
from numba.core import cgutils

from genomask.hashing import Purpose
from genomask.masking.jit import Array, Int, draw, jit, key_for, limit_of
from genomask.masking.packed import Packed, Vocabulary, lay_out


class Settings(NamedTuple):
    """How a built strategy masks."""

    probabilities: Array  # (n,) float64 by number of bases in the sequence; the last entry holds for longer ones
    scores: Array  # (V,) float64, the NPMI of each id or what the strategy makes of it, or (0,)
    vocabulary: Vocabulary  # what the strategy sees of it
    on_copies: bool  # give the strategy copies, so that it can change the spans only by its marks


class Sequence(NamedTuple):
    """The tokens and bases of one sequence, each counted from the first."""

    input_ids: Array  # (S,) int64
    start: Array  # (S,) int64, first base of each token; a token of no bases has that of the next one
    n_bases: Array  # (S,) int64
    maskable: Array  # (S,) bool
    masked: Array  # (S,) bool, False at first: tokens that are masked whatever is hidden
    hidden: Array  # (G + 1,) bool, False at first: bases whose tokens are all masked; the last entry is no base
    weights: Array  # (G + 1,) float32, lowest loss weight that each base was hidden with; inf where none
    vocabulary: Vocabulary
    scores: Array  # (V,) float64, as in Settings
    key: np.uint64
    limit: np.uint64  # the strategy's elementary draw succeeds where `draw` is below it


@jit
def open_sequence(batch: Packed, s: Int, settings: Settings) -> Sequence:
    """Sequence number s, with nothing hidden yet."""
    ids = batch.input_ids[batch.bounds[s] : batch.bounds[s + 1]]
    start, n_bases, maskable, length = lay_out(ids, batch.vocabulary)
    probability = settings.probabilities[min(length, len(settings.probabilities) - 1)]
    masked, hidden = np.zeros(len(ids), dtype=np.bool_), np.zeros(length + 1, dtype=np.bool_)
    weights = np.full(length + 1, np.inf, dtype=np.float32)
    marks, key, limit = (masked, hidden, weights), batch.keys[s], limit_of(probability)
    return Sequence(ids, start, n_bases, maskable, *marks, settings.vocabulary, settings.scores, key, limit)


@jit
def copied(sequence: Sequence) -> Sequence:
    """The same marks, with copies of the sequence's other arrays."""
    own = sequence.input_ids.copy(), sequence.start.copy(), sequence.n_bases.copy(), sequence.maskable.copy()
    marks = sequence.masked, sequence.hidden, sequence.weights
    return Sequence(*own, *marks, sequence.vocabulary, sequence.scores, sequence.key, sequence.limit)


@jit
def over_sequences(
    mask: Callable[..., None], parameters: tuple[Any, ...], batch: Packed, settings: Settings,
    spans: Array, weights: Array,
) -> bool:  # fmt: skip
    """Mask a whole batch, given the function that marks one sequence and its own parameters.

    Writes the spans (T,) and, for sequences where a weight is not 1, the weights (T,). Returns whether there are any.
    """
    weighted = False
    for s in range(len(batch.keys)):
        sequence = open_sequence(batch, s, settings)
        if settings.on_copies:
            mask(copied(sequence), *parameters)
        else:
            mask(sequence, *parameters)
        first, stop = batch.bounds[s], batch.bounds[s + 1]
        write_spans(sequence, spans[first:stop])
        weighted |= write_weights(sequence, spans[first:stop], weights[first:stop])
    return weighted


_WHOLE, _FLAG, _REAL = (np.zeros(1, dtype=dtype) for dtype in (np.int64, np.bool_, np.float64))
_TABLES = Vocabulary(1, 1, 1, _WHOLE, _FLAG, _WHOLE, _FLAG, np.zeros((1, 1), dtype=np.uint8), _WHOLE)
_MARKS = _FLAG, _FLAG, _REAL.astype(np.float32)
SEQUENCE = numba.typeof(Sequence(_WHOLE, _WHOLE, _WHOLE, _FLAG, *_MARKS, _TABLES, _REAL, np.uint64(0), np.uint64(0)))
"""The type that every strategy is compiled for, besides those of its own parameters."""


def _at_address(typing_context: Any, address: Any, parameters: Any) -> Any:
    """For numba: the compiled function of a Sequence and such parameters at an address."""
    kind = numba.types.FunctionType(numba.void(SEQUENCE, *parameters.types))

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        function = cgutils.create_struct_proxy(kind)(context, builder)
        function.jit_addr = builder.inttoptr(arguments[0], cgutils.voidptr_t)
        return function._getvalue()

    return kind(address, parameters), build


_function_at: Any = numba.extending.intrinsic(_at_address)


@jit
def select(address: Int, parameters: tuple[Any, ...], *given: Any) -> bool:
    """`over_sequences` for a compiled function at an address; itself compiled once, whatever the function."""
    return over_sequences(_function_at(address, parameters), parameters, *given)


@jit
def _drawn(sequence: Sequence, purpose: Purpose, n: Int) -> Array:
    """(n,) bool: each place drawn independently with the strategy's probability."""
    key = key_for(sequence.key, purpose)
    drawn = np.empty(n, dtype=np.bool_)
    for i in range(n):
        drawn[i] = draw(key, i) < sequence.limit
    return drawn


@jit
def centres(sequence: Sequence) -> Array:
    """(C,) int64 bases, each drawn independently with the strategy's probability."""
    drawn = _drawn(sequence, Purpose.CENTRE, len(sequence.hidden) - 1)
    found = np.empty(len(drawn), dtype=np.int64)
    n = np.uint64(0)
    for i in range(len(drawn)):  # without a branch, which would be mispredicted at every centre
        found[n] = i
        n += np.uint64(drawn[i])
    return found[:n]


@jit
def tokens_drawn(sequence: Sequence) -> Array:
    """(S,) bool: each token drawn independently with the strategy's probability."""
    return _drawn(sequence, Purpose.TOKEN, len(sequence.input_ids))


@jit
def uniform_at(sequence: Sequence, position: Int) -> float:
    """A number in [0, 1) for a strategy's own purposes, a different one at each position (any whole number)."""
    return draw(key_for(sequence.key, Purpose.OWN), position) * 2.0**-53


@jit
def bases(sequence: Sequence) -> Array:
    """(G,) uint8 bases A0 C1 G2 T3 as its tokens give them, 4 where none does."""
    found = np.full(len(sequence.hidden) - 1, 4, dtype=np.uint8)
    letters = sequence.vocabulary.letters
    for t in range(len(sequence.input_ids)):
        if sequence.maskable[t]:
            for i in range(min(sequence.n_bases[t], letters.shape[1])):
                found[sequence.start[t] + i] = letters[sequence.input_ids[t], i]
    return found


@jit
def hide_bases(sequence: Sequence, first: Int, stop: Int, weight: float = 1.0) -> None:
    """Hide the bases from `first` up to, but excluding, `stop`, as far as the sequence goes.

    `weight`, above 0, is that of every token of their span in the training loss. It should be 1 on average. Spans that
    touch become one, with the lowest weight. Raises ValueError for a weight that float32 cannot hold.
    """
    if not 0 < np.float32(weight) < np.inf:  # as it is stored
        raise ValueError("the weight of a span must be a number above 0")
    for base in range(max(0, first), min(len(sequence.hidden) - 1, stop)):
        sequence.hidden[base] = True
        sequence.weights[base] = min(sequence.weights[base], np.float32(weight))


@jit
def hide_base(sequence: Sequence, base: Int, weight: float = 1.0) -> None:
    """Hide one base; one beyond the sequence is ignored."""
    hide_bases(sequence, base, base + 1, weight)


@jit
def hide_token(sequence: Sequence, t: Int, weight: float = 1.0) -> None:
    """Hide all bases of a token, so every token that overlaps it is masked too; one beyond the sequence is ignored."""
    if 0 <= t < len(sequence.start):
        hide_bases(sequence, sequence.start[t], sequence.start[t] + sequence.n_bases[t], weight)


@jit
def mask_token(sequence: Sequence, t: Int) -> None:
    """Mask one token alone, which on overlapping k-mers hides nearly nothing; one beyond the sequence is ignored."""
    if 0 <= t < len(sequence.masked):
        sequence.masked[t] = True


@jit
def write_spans(sequence: Sequence, spans: Array) -> None:
    """(S,) int32: 0 where a token stays visible, else the number of its run of masked tokens, from 1.

    A maskable token is masked if it is marked or covers a hidden base.
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
    """(S,) float32: the lowest weight in each token's span, where a token or base marked directly counts as 1.

    Returns False, and writes nothing, where all weights are 1.
    """
    all_one = True
    for weight in sequence.weights:  # without an early exit, which would be slower
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
                if sequence.hidden[base]:  # marked there directly, it has no weight, which counts as 1
                    weight = sequence.weights[base]
                    lowest = min(lowest, weight if weight < np.inf else np.float32(1))
        weights[t:stop] = lowest
        t = stop
    return True
