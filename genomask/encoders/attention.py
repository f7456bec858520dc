"""The signature of the attention backends: packed q, k, v and a layout in, mixed values out.

Letters: T tokens of all packed sequences, Q queries (T, or fewer), N heads, H head width, S tokens of the longest
sequence, B sequences.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor

from genomask.encoders.alibi import alibi_bias
from genomask.encoders.packing import Unpadding


@dataclass(frozen=True)
class Layout:
    """Where the packed sequences lie and how distance counts; made once per forward pass, shared by all layers."""

    cu_seqlens: Tensor  # (B + 1,) int32, starts at 0, ends at T; empty sequences are allowed
    max_seqlen: int
    slopes: Tensor | None  # (N,) float32 ALiBi slopes; None: position-free attention
    directed: bool = False
    rows: Unpadding | None = None
    """Padded rows of the attention maps; None: each sequence starts in the first column."""
    kept: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """What a backend computes once for all layers (a cached_property would break a compiled graph on Python 3.11)."""

    @cached_property
    def lengths(self) -> list[int]:
        """Tokens of each sequence, on the host."""
        return self.cu_seqlens.diff().tolist()

    @cached_property
    def bias(self) -> Tensor:
        """(N, S, S) float32 ALiBi bias of the longest sequence; shorter ones use its upper left corner."""
        assert self.slopes is not None
        return alibi_bias(self.slopes, max(self.lengths, default=0), self.directed)

    def sequence_of(self, places: Tensor) -> Tensor:
        """(Q,) places among the T tokens -> (Q,) int32 number of the sequence each is in; the host does not wait."""
        return torch.searchsorted(self.cu_seqlens[1:], places.int(), right=True, out_int32=True)


class Attention(Protocol):
    """The one signature of all backends."""

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, queries: Tensor | None, layout: Layout) -> Tensor:
        """q (Q, N, H), k and v (T, N, H) -> (Q, N, H): softmax(q k^T / sqrt(H) + bias) v within each sequence.

        `queries`: (Q,) int64, ascending places of the queries among the T tokens; None: all of them.
        """
        ...


Attend = Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor]
"""A backend with its layout filled in: q (Q, N, H), k, v (T, N, H), queries (Q,) or None -> (Q, N, H)."""


def spread_queries(q: Tensor, queries: Tensor, n_tokens: int) -> Tensor:
    """q (Q, N, H) of the tokens at `queries`, ascending -> (T, N, H), zeros for the others.

    If a token is queried twice, the first is used: both are the same function of it, so its gradient is complete too.
    """
    place = torch.arange(n_tokens, device=q.device)
    row = torch.searchsorted(queries, place).clamp(max=len(queries) - 1)
    asked = queries[row] == place
    return torch.where(asked[:, None, None], q[row], 0)
