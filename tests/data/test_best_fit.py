"""Best-fit packing: every piece once, no sequence too long, and no two that would fit into one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from genomask.data.best_fit import best_fit, joined


@given(st.lists(st.integers(2, 16), max_size=60))
def test_every_piece_is_in_one_sequence_and_any_two_sequences_are_too_long_together(lengths):
    groups = best_fit(np.array(lengths, dtype=np.int64), 16)
    assert sorted(piece for group in groups for piece in group) == list(range(len(lengths)))
    sizes = sorted(1 + sum(lengths[piece] - 1 for piece in group) for group in groups)
    assert all(size <= 16 for size in sizes)
    assert len(sizes) < 2 or sizes[0] + sizes[1] - 1 > 16


def test_a_piece_goes_where_the_least_room_is_left_over():
    assert best_fit(np.array([7, 5, 4, 3]), 8) == [[0], [1, 2], [3]]
    assert best_fit(np.array([7, 5, 4, 2]), 8) == [[0, 3], [1, 2]]


def test_pieces_in_one_sequence_share_its_first_token():
    assert joined([np.array([1, 5, 2]), np.array([1, 6, 7, 2])]).tolist() == [1, 5, 2, 6, 7, 2]
