"""The functions of `hidden` as compiled loops: what runs on a CPU, each in one pass through memory."""

import math

import numpy as np
import torch
from torch import Tensor

from genomask.masking.compiled_hash import compiled, draw, mix, offset_of
from genomask.masking.grid import BaseGrid
from genomask.types import TokenBases

Array = np.ndarray


def base_grid(input_ids: Tensor, bounds: Tensor, tokens: TokenBases) -> BaseGrid:
    ids, limits = input_ids.numpy(), bounds.numpy()
    start, n_bases = np.empty(len(ids), dtype=np.int64), np.empty(len(ids), dtype=np.int64)
    maskable, offsets = np.empty(len(ids), dtype=bool), np.empty(len(limits), dtype=np.int64)
    tables = tokens.n_bases.numpy(), tokens.maskable.numpy(), tokens.k - tokens.stride
    _lay_out(ids, limits, *tables, start, n_bases, maskable, offsets)
    as_tensors = torch.from_numpy(start), torch.from_numpy(n_bases), torch.from_numpy(maskable)
    return BaseGrid(*as_tensors, bounds, torch.from_numpy(offsets))


def drawn(keys: Tensor, stream: int, chance: Tensor, bounds: Tensor) -> Tensor:
    return torch.from_numpy(_drawn(keys, stream, chance, bounds))


def places_drawn(keys: Tensor, stream: int, chance: Tensor, bounds: Tensor) -> Tensor:
    return torch.from_numpy(np.flatnonzero(_drawn(keys, stream, chance, bounds)))


def _drawn(keys: Tensor, stream: int, chance: Tensor, bounds: Tensor) -> Array:
    limits = bounds.numpy()
    out = np.empty(limits[-1], dtype=bool)
    _draw(keys.numpy().view(np.uint64), offset_of(stream), chance.numpy(), limits, out)
    return out


def uniforms(keys: Tensor, stream: int, bounds: Tensor) -> Tensor:
    limits = bounds.numpy()
    out = np.empty(limits[-1], dtype=np.float64)
    _uniforms(keys.numpy().view(np.uint64), offset_of(stream), limits, out)
    return torch.from_numpy(out)


def tokens_covering(places: Tensor, grid: BaseGrid, n_tokens: int) -> tuple[Tensor, Tensor]:
    at = places.numpy()
    index, real = np.zeros((len(at), n_tokens), dtype=np.int64), np.zeros((len(at), n_tokens), dtype=bool)
    _find_covering(at, grid.start.numpy(), grid.n_bases.numpy(), grid.maskable.numpy(), index, real)
    return torch.from_numpy(index), torch.from_numpy(real)


def tokens_over(hidden: Tensor, grid: BaseGrid) -> Tensor:
    start = grid.start.numpy()
    out = np.empty(len(start), dtype=bool)
    _find_over(hidden.numpy(), start, grid.n_bases.numpy(), grid.maskable.numpy(), out)
    return torch.from_numpy(out)


def coverage(chosen: Tensor, grid: BaseGrid) -> Tensor:
    out = np.zeros(grid.offsets.numpy()[-1] + 1, dtype=np.int32)
    _count_covering(chosen.numpy(), grid.start.numpy(), grid.n_bases.numpy(), out)
    return torch.from_numpy(out[:-1])


def number_spans(masked: Tensor, grid: BaseGrid) -> Tensor:
    chosen = masked.numpy()
    out = np.empty(len(chosen), dtype=np.int32)
    _number(chosen, grid.bounds.numpy(), out)
    return torch.from_numpy(out)


@compiled
def _lay_out(
    ids: Array, bounds: Array, n_bases_of: Array, maskable_of: Array, overlap: int,
    start: Array, n_bases: Array, maskable: Array, offsets: Array,
) -> None:  # fmt: skip
    for t in range(len(ids)):  # apart from the loop below, so that the processor does eight tokens at once
        token = np.uint64(ids[t])
        n_bases[t], maskable[t] = n_bases_of[token], maskable_of[token]
    at = 0
    offsets[0] = 0
    for s in range(len(bounds) - 1):
        for t in range(bounds[s], bounds[s + 1]):
            start[t] = at
            at += max(n_bases[t] - overlap, 0)
        if at > offsets[s]:
            at += overlap
        offsets[s + 1] = at


@compiled
def _draw(keys: Array, offset: np.uint64, chance: Array, bounds: Array, out: Array) -> None:
    for s in range(len(bounds) - 1):
        key = mix(keys[s] + offset)
        limit = np.uint64(math.ceil(chance[s] * 2.0**53))
        first = bounds[s]
        for i in range(bounds[s + 1] - first):
            out[first + i] = draw(key, i) < limit


@compiled
def _uniforms(keys: Array, offset: np.uint64, bounds: Array, out: Array) -> None:
    for s in range(len(bounds) - 1):
        key = mix(keys[s] + offset)
        first = bounds[s]
        for i in range(bounds[s + 1] - first):
            out[first + i] = draw(key, i) * 2.0**-53


@compiled
def _find_covering(places: Array, start: Array, n_bases: Array, maskable: Array, index: Array, real: Array) -> None:
    for c in range(len(places)):
        low, high = 0, len(start)  # the first token that starts beyond the place, by bisection
        while low < high:
            middle = (low + high) // 2
            if start[middle] <= places[c]:
                low = middle + 1
            else:
                high = middle
        j = 0
        t = low - 1
        while t >= 0 and j < index.shape[1]:
            if n_bases[t] > 0:
                if start[t] + n_bases[t] > places[c] and maskable[t]:
                    index[c, j], real[c, j] = t, True
                j += 1
            t -= 1


@compiled
def _find_over(hidden: Array, start: Array, n_bases: Array, maskable: Array, out: Array) -> None:
    before = np.empty(len(hidden) + 1, dtype=np.int32)  # hidden bases before each base
    before[0] = 0
    for g in range(len(hidden)):
        before[g + 1] = before[g] + hidden[g]
    for t in range(len(start)):
        first = np.uint64(start[t])
        out[t] = maskable[t] & (before[first + np.uint64(n_bases[t])] > before[first])


@compiled
def _count_covering(chosen: Array, start: Array, n_bases: Array, out: Array) -> None:
    for t in range(len(start)):
        if chosen[t]:
            out[start[t]] += 1
            out[start[t] + n_bases[t]] -= 1
    for g in range(1, len(out)):
        out[g] += out[g - 1]


@compiled
def _number(masked: Array, bounds: Array, out: Array) -> None:
    for s in range(len(bounds) - 1):
        n = 0
        before = False
        for t in range(bounds[s], bounds[s + 1]):
            n += masked[t] and not before
            before = masked[t]
            out[t] = n if before else 0
