"""From tokens to the bases under them and back: what a mask hides, and which mask hides a base.

Each function comes in two forms that give the same bits: compiled loops for a CPU, tensor operations elsewhere.

Letters: T tokens of all packed sequences, B sequences, G bases of all sequences, C places in the grid, J tokens that
can cover one base, n things that are drawn.
"""

from types import ModuleType

from torch import Tensor

from genomask.masking import compiled, tensors
from genomask.masking.grid import BaseGrid
from genomask.types import TokenBases


def _form(x: Tensor) -> ModuleType:
    """The form that is fast where x is."""
    return compiled if x.device.type == "cpu" else tensors


def base_grid(input_ids: Tensor, cu_seqlens: Tensor, tokens: TokenBases) -> BaseGrid:
    """Lay packed tokens (T,) out over their bases; one sequence is one stretch of DNA (or of text)."""
    return _form(input_ids).base_grid(input_ids, cu_seqlens.long(), tokens)


def drawn(keys: Tensor, stream: int, chance: Tensor, bounds: Tensor) -> Tensor:
    """(n,) bool: each of the things between the bounds (B + 1,) of a sequence, with its sequence's chance (B,)."""
    return _form(keys).drawn(keys, stream, chance, bounds)


def places_drawn(keys: Tensor, stream: int, chance: Tensor, bounds: Tensor) -> Tensor:
    """(C,) int64: where `drawn` is true."""
    return _form(keys).places_drawn(keys, stream, chance, bounds)


def uniforms(keys: Tensor, stream: int, bounds: Tensor) -> Tensor:
    """(n,) float64 `hashing.uniform` numbers, one for each of the things between the bounds (B + 1,) of a sequence."""
    return _form(keys).uniforms(keys, stream, bounds)


def tokens_covering(places: Tensor, grid: BaseGrid, n_tokens: int) -> tuple[Tensor, Tensor]:
    """For places (C,) in the grid: token indices (C, J) and which of them cover the place and may be masked.

    Order: from the token that starts last, special tokens left out; J = n_tokens. Where there is no such token the
    index is 0.
    """
    return _form(places).tokens_covering(places, grid, n_tokens)


def tokens_over(hidden: Tensor, grid: BaseGrid) -> Tensor:
    """(T,) bool: maskable tokens that cover at least one hidden base, of hidden bases (G,) bool."""
    return _form(hidden).tokens_over(hidden, grid)


def bases_under(masked: Tensor, grid: BaseGrid) -> Tensor:
    """(G,) bool: bases that no visible token tells, of masked tokens (T,) bool.

    Such a base is covered by a masked token and by no maskable token left visible. [UNK] (a token over N) is never
    masked and does not count as visible here: it names no letter of the bases it covers.
    """
    return (coverage(masked, grid) > 0) & (coverage(grid.maskable & ~masked, grid) == 0)


def coverage(chosen: Tensor, grid: BaseGrid) -> Tensor:
    """(G,) int32: how many of the chosen tokens (T,) bool cover each base."""
    return _form(chosen).coverage(chosen, grid)


def number_spans(masked: Tensor, grid: BaseGrid) -> Tensor:
    """(T,) int32: 0 where visible, else the number of the maximal run of masked tokens, from 1 in each sequence."""
    return _form(masked).number_spans(masked, grid)
