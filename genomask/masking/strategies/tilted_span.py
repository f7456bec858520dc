"""Tilted-span: spans of one token that start more often where the NPMI is high, weighted so that this reveals nothing.

A span of token t starts with the odds q(t) = q0 exp(beta z(t)), where z is the NPMI standardised over the bases trained
on and clipped to -2 .. 2. Its tokens weigh mean(q) / q(t) in the loss, so the weighted loss is lowest at the true
distribution of the hidden bases, whatever beta: the mask shows where to look more often, not what is there. This is
exact where spans do not touch, except for the odds of not starting elsewhere: a fraction of about k q0.
"""

import math

import numpy as np

from genomask.errors import SettingsError
from genomask.hashing import Purpose
from genomask.masking.jit import draw, key_for
from genomask.masking.registry import strategy
from genomask.masking.sequence import Sequence, hide_base, hide_token
from genomask.types import TokenBases

STEEPEST = 5.0
"""Largest beta, at which the odds of two tokens differ by a factor of up to exp(20)."""
CLIP = 2.0


def published_probability(rate: float, tokens: TokenBases, beta: float, single: float) -> float:
    """Rate / mean number of tokens that a span masks if spans never meet."""
    if not 0 <= single <= 1:
        raise SettingsError(f"masking strategy 'tilted-span': single must lie between 0 and 1, got {single}.")
    n_tokens = tokens.most_tokens_over_a_base
    return rate / ((1 - single) * (2 * n_tokens - 1) + single * n_tokens)


def tilt_of(npmi: np.ndarray, counts: np.ndarray, beta: float) -> np.ndarray:
    """(4**k,) q / mean(q) of every k-mer, from its NPMI and its count; words too rare for an NPMI have the lowest z."""
    if not abs(beta) <= STEEPEST:  # nan as well
        raise SettingsError(f"masking strategy 'tilted-span': beta must lie between -5 and 5, got {beta}.")
    known = np.isfinite(npmi)
    z = np.full(len(npmi), -CLIP)
    if counts[known].sum() > 0:
        mean = np.average(npmi[known], weights=counts[known])
        deviation = math.sqrt(np.average((npmi[known] - mean) ** 2, weights=counts[known]))
        z[known] = ((npmi[known] - mean) / max(deviation, np.finfo(float).tiny)).clip(-CLIP, CLIP)
    odds = np.exp(beta * z)
    return odds / (np.average(odds, weights=counts) if counts.sum() > 0 else odds.mean())


@strategy("tilted-span", units="dna", needs=["npmi", "windows"], published=published_probability, scores=tilt_of)
def tilted_span(sequence: Sequence, beta: float = 0.5, single: float = 0.0) -> None:
    """Each token may start a span, which hides all its bases or, for a fraction `single` of spans, the middle one."""
    starts, singles = key_for(sequence.key, Purpose.TOKEN), key_for(sequence.key, Purpose.SPAN_LENGTH)
    probability = sequence.limit * 2.0**-53
    for t in range(len(sequence.input_ids)):
        if not sequence.maskable[t]:
            continue
        tilt = sequence.scores[np.uint64(sequence.input_ids[t])]
        if draw(starts, t) * 2.0**-53 < probability * tilt / (1 - probability + probability * tilt):  # tilted odds
            if draw(singles, t) * 2.0**-53 < single:
                hide_base(sequence, sequence.start[t] + (sequence.n_bases[t] - 1) // 2, 1 / tilt)
            else:
                hide_token(sequence, t, 1 / tilt)
