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
    sequence, position, start, n_bases = (torch.empty(len(input_ids), dtype=torch.int64) for _ in range(4))
    maskable = torch.empty(len(input_ids), dtype=torch.bool)
    grid = BaseGrid(sequence, position, start, n_bases, maskable, bounds, torch.empty_like(bounds))
    tables = tokens.n_bases.numpy(), tokens.maskable.numpy()
    _lay_out(input_ids.numpy(), *tables, tokens.k - tokens.stride, *(x.numpy() for x in grid))
    return grid


def drawn(keys: Tensor, stream: int, chance: Tensor, bounds: Tensor) -> Tensor:
    out = np.empty(int(bounds[-1]), dtype=bool)
    _draw(keys.numpy().view(np.uint64), offset_of(stream), chance.numpy(), bounds.numpy(), out)
    return torch.from_numpy(out)


def uniforms(keys: Tensor, stream: int, bounds: Tensor) -> Tensor:
    out = np.empty(int(bounds[-1]), dtype=np.float64)
    _uniforms(keys.numpy().view(np.uint64), offset_of(stream), bounds.numpy(), out)
    return torch.from_numpy(out)


def tokens_covering(places: Tensor, grid: BaseGrid, n_tokens: int) -> tuple[Tensor, Tensor]:
    index = np.zeros((len(places), n_tokens), dtype=np.int64)
    real = np.zeros((len(places), n_tokens), dtype=bool)
    _find_covering(places.numpy(), grid.start.numpy(), grid.n_bases.numpy(), grid.maskable.numpy(), index, real)
    return torch.from_numpy(index), torch.from_numpy(real)


def tokens_over(hidden: Tensor, grid: BaseGrid) -> Tensor:
    out = np.empty(len(grid.start), dtype=bool)
    _find_over(hidden.numpy(), grid.start.numpy(), grid.n_bases.numpy(), grid.maskable.numpy(), out)
    return torch.from_numpy(out)


def coverage(chosen: Tensor, grid: BaseGrid) -> Tensor:
    out = np.zeros(int(grid.offsets[-1]) + 1, dtype=np.int32)
    _count_covering(chosen.numpy(), grid.start.numpy(), grid.n_bases.numpy(), out)
    return torch.from_numpy(out[:-1])


def number_spans(masked: Tensor, grid: BaseGrid) -> Tensor:
    out = np.empty(len(masked), dtype=np.int32)
    _number(masked.numpy(), grid.bounds.numpy(), out)
    return torch.from_numpy(out)


@compiled
def _lay_out(
    ids: Array, n_bases_of: Array, maskable_of: Array, overlap: int,
    sequence: Array, position: Array, start: Array, n_bases: Array, maskable: Array, bounds: Array, offsets: Array,
) -> None:  # fmt: skip
    at = 0
    offsets[0] = 0
    for s in range(len(bounds) - 1):
        for t in range(bounds[s], bounds[s + 1]):
            n = n_bases_of[ids[t]]
            sequence[t], position[t], start[t] = s, t - bounds[s], at
            n_bases[t], maskable[t] = n, maskable_of[ids[t]]
            at += max(n - overlap, 0)
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
    last = -1  # the last hidden base before the end of the token at hand
    at = 0
    for t in range(len(start)):
        end = start[t] + n_bases[t]
        while at < end:
            if hidden[at]:
                last = at
            at += 1
        out[t] = maskable[t] and last >= start[t]


@compiled
def _count_covering(chosen: Array, start: Array, n_bases: Array, out: Array) -> None:
    for t in range(len(start)):
        out[start[t]] += chosen[t]
        out[start[t] + n_bases[t]] -= chosen[t]
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
