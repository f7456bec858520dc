"""How an encoder knows where a token stands: one row per encoding, read by config, model and embeddings.

Letters: T tokens of all packed sequences, Q queries (T, or fewer), N heads, H head width.
"""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from genomask.encoders.attention import Attend
from genomask.encoders.rotary import rotary

Turn = Callable[[Tensor, Tensor], Tensor]
"""Queries or keys (Q, N, H) and the place of each in its sequence (Q,) int64 -> the same, changed by its place."""


class PositionEncoding(NamedTuple):
    """What distinguishes an encoding from attention without positions."""

    alibi: bool = False
    """Scores fall with distance, at each head's own slope."""
    directed: bool = False
    """Half of the heads look left, half right; with `alibi`."""
    learned: bool = False
    """Each place has a vector of its own, added to the token's: at most max_position_embeddings places."""
    turn: Turn | None = None
    """Applied to queries and keys before their products."""
    head_multiple: int = 1
    """`turn` needs heads whose width is a multiple of this."""

    @property
    def tells_left_from_right(self) -> bool:
        """False where f(reverse x) = reverse f(x), whatever the weights."""
        return self.directed or self.learned or self.turn is not None


POSITIONS = {
    "alibi": PositionEncoding(alibi=True),
    "alibi-directed": PositionEncoding(alibi=True, directed=True),
    "rotary-directed": PositionEncoding(alibi=True, directed=True, turn=rotary, head_multiple=2),
    "learned": PositionEncoding(learned=True),
}


def turned(attend: Attend, turn: Turn, places: Tensor) -> Attend:
    """`attend` on queries and keys that are turned first; `places` (T,) of the keys in their sequences."""

    def attend_turned(q: Tensor, k: Tensor, v: Tensor, queries: Tensor | None) -> Tensor:
        of_queries = places if queries is None else places.index_select(0, queries)
        return attend(turn(q, of_queries), turn(k, places), v, queries)

    return attend_turned
