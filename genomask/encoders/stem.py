"""The stem: a convolution over one-hot tokens, the first layer of networks for DNA (Basset, 2016; Enformer, 2021).

On one-hot input it is a lookup, and computed as such: the vectors of tables, one for each place beside a token, are
summed. A token's first vector then shows which tokens stand where around it, before any attention has learned to look.
It may add to only some channels of that vector: in the others the token stays itself, however many neighbours it has.
Letters: T tokens of all packed sequences, W width of the stem, R rows of the vocabulary, D width, S of the D channels.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genomask.encoders.config import MosaicBertConfig


class Tables(nn.Embedding):
    """Vectors for each neighbour's place, one table after the other; a type of its own, so that new ones are known."""


class SummedRows(torch.autograd.Function):
    """For each token the sum of some rows of a table, as `F.embedding_bag`, but three times as fast on a CPU.

    PyTorch sums faster without rows that stand for no token. Gradients are summed in the same way: a row's is a sum of
    tokens' gradients.
    """

    @staticmethod
    def forward(ctx: Any, table: Tensor, row: Tensor, token: Tensor, n_tokens: int) -> Tensor:
        """(R, S), and K pairs of a row and the token that it is added to, tokens ascending -> (n_tokens, S)."""
        ctx.save_for_backward(row, token)
        ctx.n_rows = len(table)
        return _summed(table, row, token, n_tokens)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        """(n_tokens, S) -> (R, S): the same with rows and tokens exchanged, so that it is differentiable itself."""
        row, token = ctx.saved_tensors
        row, order = row.sort(stable=True)
        return SummedRows.apply(grad, token[order], row, ctx.n_rows), None, None, None


def _summed(vectors: Tensor, which: Tensor, into: Tensor, n: int) -> Tensor:
    """(n, S): the vectors (V, S) at `which` (K,), each added to the place that `into` (K,), ascending, gives."""
    starts = torch.searchsorted(into, torch.arange(n, dtype=into.dtype), out_int32=True)
    return F.embedding_bag(which, vectors, starts, mode="sum")


class Stem(nn.Module):
    """What the W - 1 neighbours of each token add to its vector; beyond the ends of a sequence there are none."""

    def __init__(self, config: MosaicBertConfig) -> None:
        super().__init__()
        self.neighbours = config.stem_width - 1
        self.other_channels = config.hidden_size - config.stem_size
        rows = self.neighbours * config.padded_vocab_size
        self.tables = Tables(rows + 1, config.stem_size, padding_idx=rows)
        """R rows for each neighbour, the leftmost first, and one that stands for no token."""

    @property
    def of_neighbours(self) -> Tensor:
        """(W - 1, R, S), a table for each neighbour."""
        return self.tables.weight[:-1].unflatten(0, (self.neighbours, -1))

    def forward(self, input_ids: Tensor, cu_seqlens: Tensor) -> Tensor:
        """(T,) int64 ids of packed sequences -> (T, D), 0 except in the first S channels."""
        place = torch.arange(len(input_ids), device=input_ids.device)
        sequence = torch.searchsorted(cu_seqlens[1:], place.int(), right=True)
        start, stop = (cu_seqlens[n][:, None] for n in (sequence, sequence + 1))
        table = torch.arange(self.neighbours, device=input_ids.device)
        side, no_token = self.neighbours // 2, self.tables.num_embeddings - 1
        neighbour = place[:, None] + torch.where(table < side, table - side, table - side + 1)
        row = input_ids[neighbour.clamp(0, len(input_ids) - 1)] + table * (no_token // self.neighbours)
        inside = (neighbour >= start) & (neighbour < stop)
        if input_ids.device.type == "cpu" and not torch.compiler.is_compiling():
            token = inside.nonzero()[:, 0].int()
            summed = SummedRows.apply(self.tables.weight, row[inside].int(), token, len(input_ids))
        else:
            row = torch.where(inside, row, no_token)
            summed = F.embedding_bag(row, self.tables.weight, mode="sum", padding_idx=no_token)
        return F.pad(summed, (0, self.other_channels))

    def resize(self, kept: int, rows: int) -> None:
        """Give each table `rows` rows, of which the first `kept` are the old ones.

        New ones are zeros, so that a new token does not change its neighbours yet.
        """
        old = self.of_neighbours.detach()[:, :kept]
        weight = F.pad(old, (0, 0, 0, rows - old.shape[1])).flatten(0, 1)
        weight = torch.cat([weight, self.tables.weight.detach()[-1:]])
        self.tables = Tables.from_pretrained(
            weight, freeze=not self.tables.weight.requires_grad, padding_idx=len(weight) - 1
        )
