"""Which blocks of the score matrix FlexAttention must compute, from the borders of the sequences alone.

Letters: T packed tokens, Q queries (T, or fewer), N heads, R and C blocks of BLOCK queries and of BLOCK keys.

The tables come from R x C comparisons. PyTorch's `create_block_mask` would look at all Q x T pairs, and nothing here
makes the host wait for the GPU.
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask

from genomask.encoders.attention import Layout

BLOCK = 128


def block_mask(layout: Layout, places: Tensor, n_keys: int) -> BlockMask:
    """The mask for queries at `places` (Q,), ascending, among `n_keys` = T keys: the same sequence only.

    With `layout.directed`, heads 0, 2 ... see only keys at or left of the query, heads 1, 3 ... at or right of it.
    """
    keys = torch.arange(n_keys, dtype=torch.int32, device=places.device)
    sequence_Q, sequence_T = layout.sequence_of(places), layout.sequence_of(keys)
    table_P, table_Q, table_T = (to_whole_blocks(x) for x in (places.int(), sequence_Q, sequence_T))

    def sees(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        same = table_Q[query] == table_T[key]
        if not layout.directed:
            return same
        place = table_P[query]
        return same & torch.where(head % 2 == 0, key <= place, key >= place)

    some, all_ = _shared_sequences(sequence_Q, sequence_T)
    if layout.directed:
        assert layout.slopes is not None
        some, all_ = _directed(some, all_, _ends(places), _ends(keys), len(layout.slopes))
    partial, full = (_listed(cells.expand(1, *cells.shape[-3:])) for cells in (some & ~all_, all_))
    return BlockMask.from_kv_blocks(*partial, *full, BLOCK, sees, seq_lengths=(len(places), n_keys))


def to_whole_blocks(x: Tensor) -> Tensor:
    """(Q,) -> (R * BLOCK,), padded: the kernel may read what lies beyond the end of x before it masks it."""
    return F.pad(x, (0, -len(x) % BLOCK), value=-1)


def _ends(ascending: Tensor) -> tuple[Tensor, Tensor]:
    """(Q,) ascending numbers -> the first and the last of each block, (R,) and (R,)."""
    n = len(ascending)
    stops = torch.arange(BLOCK - 1, n + BLOCK - 1, BLOCK, device=ascending.device)
    return ascending[::BLOCK], ascending[stops.clamp(max=n - 1)]


def _shared_sequences(of_queries: Tensor, of_keys: Tensor) -> tuple[Tensor, Tensor]:
    """(1, R, C) bool each: whether any query and key of the two blocks share a sequence, and whether all do.

    From the sequences of the queries (Q,) and of the keys (T,), both ascending.
    """
    (first_R, last_R), (first_C, last_C) = _ends(of_queries), _ends(of_keys)
    some = (first_R[:, None] <= last_C) & (last_R[:, None] >= first_C)
    all_ = (first_R[:, None] == last_C) & (last_R[:, None] == first_C)
    return some[None], (all_ & _whole(of_queries)[:, None] & _whole(of_keys))[None]


def _whole(ascending: Tensor) -> Tensor:
    """(R,) bool, is the block whole: the last may be cut short, and then needs the mask to mark its end."""
    stops = torch.arange(BLOCK, len(ascending) + BLOCK, BLOCK, device=ascending.device)
    return stops <= len(ascending)


def _directed(
    some: Tensor, all_: Tensor, queries: tuple[Tensor, Tensor], keys: tuple[Tensor, Tensor], n_heads: int
) -> tuple[Tensor, Tensor]:
    """(1, R, C) -> (N, R, C): cells with some key, and cells with only keys, on the side that the head looks to."""
    (first_R, last_R), (first_C, last_C) = ((x[:, None] for x in queries), keys)
    some_side = torch.stack([first_C <= last_R, last_C >= first_R])
    all_side = torch.stack([last_C <= first_R, first_C >= last_R])
    side = torch.arange(n_heads, device=some.device) % 2
    return some & some_side[side], all_ & all_side[side]


def _listed(cells: Tensor) -> tuple[Tensor, Tensor]:
    """(1, N, R, C) bool -> (1, N, R) int32 number of cells in each row, and (1, N, R, C) int32, their columns first."""
    columns = cells.int().argsort(dim=-1, descending=True, stable=True)
    return cells.sum(-1, dtype=torch.int32), columns.int()
