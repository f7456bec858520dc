"""Span: runs of bases (in text: words) around centres, of geometric length.

Source: SpanBERT (Joshi et al., TACL 2020): p = 0.2, at most 10 units, 3.8 on average.
"""

import math

import numpy as np

from genomask.errors import SettingsError
from genomask.hashing import Purpose
from genomask.masking.jit import Array, draw, jit, key_for
from genomask.masking.registry import strategy
from genomask.masking.sequence import Sequence, centres, hide_bases
from genomask.types import TokenBases

LONGEST = 1_000
"""Every centre compares its draw with as many probabilities as the longest run has units."""


@jit
def probabilities_to_be_longer(p: float, longest: int) -> Array:
    """For n = 1 .. longest - 1 the probability that a run is longer than n: geometric, truncated at `longest`."""
    longer_than = np.empty(longest - 1, dtype=np.float64)
    most = _up_to(longest, p)
    for n in range(1, longest):
        longer_than[n - 1] = 1 - _up_to(n, p) / most
    return longer_than


@jit
def _up_to(n: int, p: float) -> float:
    """The probability of at most n if there were no longest."""
    return 1 - (1 - p) ** float(n) if p > 0.01 else -math.expm1(n * math.log1p(-p))  # which is precise near 0


def published_probability(rate: float, tokens: TokenBases, p: float, longest: int) -> float:
    """Rate / mean number of tokens that a run reaches if runs never meet."""
    if not 0 < p < 1:
        raise SettingsError(f"masking strategy 'span': p must lie between 0 and 1, got {p}.")
    if not 1 <= longest <= LONGEST:
        raise SettingsError(f"masking strategy 'span': longest must lie between 1 and {LONGEST:,}, got {longest}.")
    mean = 1 + sum(probabilities_to_be_longer(p, longest).tolist())
    return rate / (mean + tokens.k - 1)


def visible(probability: float, n_tokens: int, tokens: TokenBases, p: float, longest: int) -> np.ndarray:
    """(n_tokens,) probability that no run reaches a token, which starts `stride` bases after the one before it."""
    longer_than = probabilities_to_be_longer(p, longest)
    # the probability that the run around each centre reaches a token: centres before it, on it, and after it
    before, after = longer_than[::2][::-1], longer_than[1::2]
    reaches = np.concatenate([before, np.ones(tokens.k), after])
    missed = np.concatenate([[0], np.log1p(-probability * reaches).cumsum()])
    start = tokens.stride * np.arange(n_tokens)
    first = (len(before) - start).clip(min=0)  # a centre lies in the sequence
    last = (start[-1] - start + len(before) + tokens.k).clip(max=len(reaches))
    return np.exp(missed[last] - missed[first])


@strategy("span", published=published_probability, visible=visible)
def span(sequence: Sequence, p: float = 0.2, longest: int = 10) -> None:
    """Each centre hides the 1 to `longest` bases around it, as far as its sequence goes."""
    longer_than = probabilities_to_be_longer(p, longest)
    lengths = key_for(sequence.key, Purpose.SPAN_LENGTH)
    for centre in centres(sequence):
        drawn = draw(lengths, centre) * 2.0**-53
        n_bases = 1
        for probability in longer_than:
            n_bases += drawn < probability
        first = centre - (n_bases - 1) // 2
        hide_bases(sequence, first, first + n_bases)
