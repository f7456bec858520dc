"""Span: runs of bases (of text: words) around centres, their lengths geometric.

Source: SpanBERT (Joshi et al., TACL 2020): p = 0.2, at most 10 units, 3.8 on average.

Letters: C centres, N the longest run.
"""

import math

import numpy as np
import torch
from torch import Tensor

from genomask.errors import SettingsError
from genomask.hashing import uniform
from genomask.masking import streams
from genomask.masking.compiled_hash import compiled, draw, mix, offset_of
from genomask.masking.loops import Array, Packed, Tables, centres, lay_out, mask_tokens_over_hidden
from genomask.masking.registry import register
from genomask.masking.view import MaskView
from genomask.types import TokenBases

LONGEST = 1_000
"""Every centre compares its draw with as many chances as the longest run has units."""
_SPAN_LENGTH = offset_of(streams.SPAN_LENGTH)


def chances_to_be_longer(p: float, longest: int) -> list[float]:
    """For n = 1 .. longest - 1 the chance that a run is longer than n: geometric, given that it is not above `longest`.

    Raises SettingsError for parameters out of range.
    """
    if not 0 < p < 1:
        raise SettingsError(f"masking strategy 'span': p must lie between 0 and 1, got {p}.")
    if not 1 <= longest <= LONGEST:
        raise SettingsError(f"masking strategy 'span': longest must lie between 1 and {LONGEST:,}, got {longest}.")

    def up_to(n: int) -> float:  # the chance of at most n, were there no longest
        return 1 - (1 - p) ** n if p > 0.01 else -math.expm1(n * math.log1p(-p))  # which keeps its digits near 0

    most = up_to(longest)
    return [1 - up_to(n) / most for n in range(1, longest)]


def published_chance(rate: float, tokens: TokenBases, p: float, longest: int) -> float:
    """Rate / mean number of tokens that a run reaches, were there no others."""
    mean = 1 + sum(chances_to_be_longer(p, longest))
    return rate / (mean + tokens.k - 1)


def visible(chance: float, n_tokens: int, tokens: TokenBases, p: float, longest: int) -> np.ndarray:
    """(n_tokens,) probability that no run reaches a token, which starts `stride` bases after the one before it."""
    longer_than = np.array(chances_to_be_longer(p, longest))
    # the chance of the run around each centre to reach a token: those before it, on it, and after it
    before, after = longer_than[::2][::-1], longer_than[1::2]
    reaches = np.concatenate([before, np.ones(tokens.k), after])
    missed = np.concatenate([[0], np.log1p(-chance * reaches).cumsum()])
    start = tokens.stride * np.arange(n_tokens)
    first = (len(before) - start).clip(min=0)  # a centre lies in the sequence
    last = (start[-1] - start + len(before) + tokens.k).clip(max=len(reaches))
    return np.exp(missed[last] - missed[first])


def span_loop(batch: Packed, tables: Tables, spans: Array, *, p: float, longest: int) -> None:
    """The same as a loop."""
    _mask_runs(batch, tables, spans, np.array(chances_to_be_longer(p, longest), dtype=np.float64))


@compiled
def _mask_runs(batch: Packed, tables: Tables, spans: Array, longer_than: Array) -> None:
    for s in range(len(batch.keys)):
        sequence = lay_out(batch, tables, s)
        lengths = mix(sequence.key + _SPAN_LENGTH)
        for centre in centres(sequence):
            share = draw(lengths, centre) * 2.0**-53
            n_bases = 1
            for chance in longer_than:
                n_bases += share < chance
            first = centre - (n_bases - 1) // 2
            sequence.hidden[max(0, first) : min(len(sequence.hidden) - 1, first + n_bases)] = True
        mask_tokens_over_hidden(sequence, spans[batch.bounds[s] : batch.bounds[s + 1]])


@register("span", published=published_chance, visible=visible, loop=span_loop)
def span(view: MaskView, *, p: float = 0.2, longest: int = 10) -> Tensor:
    """Each centre hides the 1 to `longest` bases around it, as far as its sequence goes."""
    centres, offsets = view.centres(), view.grid.offsets
    sequence = torch.bucketize(centres, offsets[1:], right=True)
    draw = uniform(view.keys[sequence], streams.SPAN_LENGTH, centres - offsets[sequence])
    longer_than = torch.tensor(chances_to_be_longer(p, longest), dtype=torch.float64, device=draw.device)
    n_bases = 1 + (draw[:, None] < longer_than).sum(1)
    offset = torch.arange(longest, device=draw.device)
    places_CN = (centres - (n_bases - 1) // 2)[:, None] + offset
    inside = (places_CN >= offsets[sequence][:, None]) & (places_CN < offsets[sequence + 1][:, None])
    return view.hide(places_CN[inside & (offset < n_bases[:, None])])
