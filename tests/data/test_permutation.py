"""The keyed permutation: every index once, another order for another key, no index favoured."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from genomask.data.permutation import permute


@settings(deadline=None, max_examples=100)
@given(size=st.integers(1, 3000), key=st.integers(-(2**63), 2**63 - 1))
def test_every_index_is_reached_once(size, key):
    places = permute(np.arange(size), size, np.array([key]))
    assert sorted(places.tolist()) == list(range(size))


def test_a_part_is_permuted_as_it_is_in_the_whole():
    index, keys = np.arange(40), np.repeat(np.array([3, 4]), 20)
    whole = permute(index, 1000, keys)
    parts = [permute(index[i : i + 7], 1000, keys[i : i + 7]) for i in range(0, 40, 7)]
    assert np.concatenate(parts).tolist() == whole.tolist()


def test_over_many_keys_every_place_is_equally_likely():
    keys = np.arange(20_000)
    for index in range(5):
        fractions = np.bincount(permute(np.full(20_000, index), 5, keys), minlength=5) / 20_000
        assert np.abs(fractions - 0.2).max() < 0.015  # five standard errors


def test_known_answers():
    assert permute(np.arange(10), 10, np.array([7])).tolist() == [4, 5, 2, 1, 7, 6, 3, 8, 0, 9]
