import itertools

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genomask.training.evaluation_masks import BLOCK, ITEM_LENGTHS, MARGIN, covering_tokens, hidden_bases


def items_of(row: torch.Tensor) -> list[tuple[int, int]]:
    """[start, stop) of the runs of hidden bases, by a plain walk."""
    runs, start = [], None
    for at, is_hidden in enumerate([*row.tolist(), False]):
        if is_hidden and start is None:
            start = at
        if not is_hidden and start is not None:
            runs.append((start, at))
            start = None
    return runs


@settings(deadline=None, max_examples=50)
@given(key=st.integers(0, 2**62), n_bases=st.integers(40, 600), item=st.sampled_from(sorted(ITEM_LENGTHS)))
def test_items_keep_their_distance_from_each_other_and_from_the_ends(key, n_bases, item):
    items = items_of(hidden_bases(torch.tensor([key]), n_bases, item)[0])
    assert items
    assert all(stop - start == ITEM_LENGTHS[item] for start, stop in items)
    assert items[0][0] >= MARGIN
    assert items[-1][1] <= n_bases - MARGIN
    assert all(b[0] - a[1] >= MARGIN for a, b in itertools.pairwise(items))
    assert len({start // BLOCK for start, _ in items}) == len(items)


def test_a_window_of_510_bases_hides_eight_items_at_places_that_follow_the_key():
    hidden = hidden_bases(torch.arange(200), 510, "six")
    assert (hidden.sum(1) == 48).all()
    assert len({tuple(row) for row in hidden.tolist()}) == 200
    assert (hidden[:, :MARGIN].sum(), hidden[:, -MARGIN:].sum()) == (0, 0)


def test_covering_tokens_are_those_that_hold_a_hidden_base():
    hidden = torch.zeros(1, 20, dtype=torch.bool)
    hidden[0, 9] = True
    for k, stride, covering in ((6, 1, [4, 5, 6, 7, 8, 9]), (4, 4, [2]), (1, 1, [9])):
        start = torch.arange(0, 20 - k + 1, stride)[None]
        assert covering_tokens(hidden, start, start + k)[0].nonzero().flatten().tolist() == covering
    start, stop = torch.tensor([[0, 0, 8, 10, 20]]), torch.tensor([[0, 8, 10, 20, 20]])  # [CLS] and [SEP] cover none
    assert covering_tokens(hidden, start, stop).tolist() == [[False, False, True, False, False]]
