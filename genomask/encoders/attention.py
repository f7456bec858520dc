"""Attention over packed sequences: q, k, v in, mixed values out. One plain function a backend, in one table.

Letters: T tokens of all packed sequences, Q queries (T, or fewer), N heads, H head width, S tokens of the longest
sequence, B sequences.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from genomask.encoders.alibi import alibi_bias
from genomask.errors import SettingsError


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


def sdpa(q: Tensor, k: Tensor, v: Tensor, queries: Tensor | None, layout: Layout) -> Tensor:
    """PyTorch's scaled_dot_product_attention, one call for each run of neighbours of equal length.

    q, k and v are cut with `split`: slicing would cost a T-sized gradient of zeros for every sequence.
    """
    counts, rows = (layout.lengths, None) if queries is None else _places(queries, layout)
    runs = [(m, n, len(list(run))) for (m, n), run in groupby(zip(counts, layout.lengths, strict=True))]
    q_sizes, k_sizes = [m * b for m, _, b in runs], [n * b for _, n, b in runs]
    row_pieces = [None] * len(runs) if rows is None else rows.split(q_sizes)
    pieces = zip(runs, q.split(q_sizes), k.split(k_sizes), v.split(k_sizes), row_pieces, strict=True)
    mixed = []
    for (m, n, b), q_run, k_run, v_run, at in pieces:
        if m > 0:
            q_run, k_run, v_run = (x.unflatten(0, (b, -1)) for x in (q_run, k_run, v_run))
            mixed.append(_equal_lengths(q_run, k_run, v_run, _bias(layout, at, m, n, q.dtype)))
    return torch.cat(mixed)


def _places(queries: Tensor, layout: Layout) -> tuple[list[int], Tensor]:
    """Number of queries in each sequence, and (Q,) the place of each within its own."""
    sequence = torch.bucketize(queries, layout.cu_seqlens[1:], right=True)
    counts = torch.bincount(sequence, minlength=len(layout.lengths)).tolist()
    return counts, queries - layout.cu_seqlens[sequence]


def _bias(layout: Layout, rows: Tensor | None, m: int, n: int, dtype: torch.dtype) -> Tensor | None:
    """What is added to the scores of m queries by n keys: (N, n, n) for all queries, else (b, N, m, n)."""
    if layout.slopes is None:
        return None
    if rows is None:
        return layout.bias[:, :n, :n].to(dtype)
    return layout.bias[:, rows.view(-1, m), :n].transpose(0, 1).to(dtype)


def _equal_lengths(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None) -> Tensor:
    """q (b, m, N, H), k and v (b, n, N, H) -> (b * m, N, H)."""
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    if bias is not None and bias.dim() == 3:
        bias = bias.expand(len(q), -1, -1, -1)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias).transpose(1, 2).flatten(0, 1)


BACKENDS: dict[str, Attention] = {"sdpa": sdpa}


def choose_backend(name: str, device: torch.device) -> str:
    """Turn 'auto' into the backend that will run on `device`; SettingsError for one that cannot."""
    if name == "auto":
        return "sdpa"
    if name not in BACKENDS:
        raise SettingsError(
            f"attention_backend {name!r} is not available on {device.type}; use one of: auto, {', '.join(BACKENDS)}"
        )
    return name
