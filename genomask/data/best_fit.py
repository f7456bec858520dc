"""Pieces of documents in, groups that fill a sequence out: few sequences, and no piece cut (Ding et al., 2024)."""

from collections.abc import Sequence

import numpy as np


def best_fit(lengths: np.ndarray, longest: int) -> list[list[int]]:
    """Indices of the pieces of each sequence: from the longest on, each piece goes where it leaves the least room.

    `lengths` (N,) are in tokens, [CLS] and [SEP] included, 2 to `longest`; of joined pieces only the first keeps [CLS].
    """
    rooms: list[list[int]] = [[] for _ in range(longest)]
    """For each number of tokens, the sequences with that much room."""
    some = 0
    """Bit r is set where rooms[r] is not empty."""
    groups: list[list[int]] = []
    for piece in np.argsort(-lengths, kind="stable").tolist():
        size, room = int(lengths[piece]) - 1, longest - 1
        if fitting := some >> size:
            room = size + (fitting & -fitting).bit_length() - 1
            group = rooms[room].pop()
            if not rooms[room]:
                some ^= 1 << room
        else:
            group = len(groups)
            groups.append([])
        groups[group].append(piece)
        rooms[room - size].append(group)
        some |= 1 << room - size
    return groups


def joined(pieces: Sequence[np.ndarray]) -> np.ndarray:
    """[CLS] one [SEP] another [SEP] ..."""
    return np.concatenate([pieces[0], *(piece[1:] for piece in pieces[1:])]) if len(pieces) > 1 else pieces[0]
