"""Fixed-span: 2k - 1 tokens around every centre, without NPMI: GeneMask's long spans throughout."""

import numpy as np

from genomask.masking.centred import centres_and_tokens
from genomask.masking.jit import Int, jit
from genomask.masking.registry import strategy
from genomask.masking.sequence import Sequence, hide_token
from genomask.types import TokenBases


def published_probability(rate: float, tokens: TokenBases) -> float:
    """Rate / number of tokens a centre masks if spans never meet, 2k - 1 at stride 1."""
    return rate / (tokens.stride * (2 * tokens.most_tokens_over_a_base - 1))


def visible(probability: float, n_tokens: int, tokens: TokenBases) -> np.ndarray:
    """(n_tokens,) probability that no centre takes a token that overlaps, or is, this one."""
    k, stride = tokens.k, tokens.stride
    centre = np.arange((n_tokens - 1) * stride + k)
    nearest = np.rint((2 * centre - _sought(tokens.most_tokens_over_a_base, stride) + 0.5) / (2 * stride))
    taken = nearest.clip(np.maximum(0, -(-(centre - k + 1) // stride)), np.minimum(n_tokens - 1, centre // stride))
    centres_of = np.bincount(taken.astype(int), minlength=n_tokens)
    overlapping = (k - 1) // stride
    n_centres = np.convolve(centres_of, np.ones(2 * overlapping + 1))[overlapping : overlapping + n_tokens]
    return (1 - probability) ** n_centres


@jit
def _sought(n_over: Int, stride: Int) -> Int:
    """Twice the distance from the middle token's start to its centre, averaged over the centres it can have."""
    return (2 * ((n_over - 1) // 2) + 1) * stride - 1


@strategy("fixed-span", published=published_probability, visible=visible)
def fixed_span(sequence: Sequence) -> None:
    """Each centre hides all bases of the middle token over it or, near an end, of the one nearest to that."""
    found, over = centres_and_tokens(sequence)
    sought = _sought(sequence.vocabulary.n_over, sequence.vocabulary.stride)
    for c in range(len(found)):
        best, least = -1, np.inf
        for t in over[c]:
            off = abs(2 * (found[c] - sequence.start[t]) - sought + 0.5)  # a tie goes to the one that starts later
            if t >= 0 and off < least:
                best, least = t, off
        hide_token(sequence, best)
