"""What every attention backend takes and gives: packed q, k, v and a layout in, mixed values out.

Letters: T tokens of all packed sequences, Q queries (T, or fewer), N heads, H head width, S tokens of the longest
sequence, B sequences.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from torch import Tensor

from genomask.encoders.alibi import alibi_bias


@dataclass(frozen=True)
class Layout:
    """Where the packed sequences lie and how distance counts; made once a forward pass, shared by all layers."""

    cu_seqlens: Tensor  # (B + 1,) int32, starts at 0, ends at T; empty sequences are allowed
    max_seqlen: int
    slopes: Tensor | None  # (N,) float32 ALiBi slopes; None: position-free attention
    directed: bool = False

    @cached_property
    def lengths(self) -> list[int]:
        """Tokens of each sequence, on the host."""
        return self.cu_seqlens.diff().tolist()

    @cached_property
    def bias(self) -> Tensor:
        """(N, S, S) float32 ALiBi bias of the longest sequence; shorter ones use its upper left corner."""
        assert self.slopes is not None
        return alibi_bias(self.slopes, max(self.lengths, default=0), self.directed)


class Attention(Protocol):
    """The one signature of all backends."""

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, queries: Tensor | None, layout: Layout) -> Tensor:
        """q (Q, N, H), k and v (T, N, H) -> (Q, N, H): softmax(q k^T / sqrt(H) + bias) v within each sequence.

        `queries`: (Q,) int64, ascending places of the queries among the T tokens; None: all of them.
        """
        ...
