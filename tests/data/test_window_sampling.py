import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from genomask.data.window_sampling import StartChooser, place_evenly
from genomask.hashing import hash64

gaps_and_lengths = st.lists(st.tuples(st.integers(0, 5), st.integers(1, 30)), min_size=1, max_size=12)


def intervals_from(pairs):
    edges = np.cumsum(np.array(pairs, dtype=np.int64).ravel())
    return edges.reshape(-1, 2)


def starts_by_brute_force(intervals, length):
    return [start for a, b in intervals for start in range(a, b - length + 1)]


@settings(deadline=None, max_examples=150)
@given(pairs=gaps_and_lengths, data=st.data())
def test_each_rank_gives_a_different_start_and_together_they_are_all_starts(pairs, data):
    intervals = intervals_from(pairs)
    length = data.draw(st.integers(1, int(np.diff(intervals).max())))
    expected = starts_by_brute_force(intervals, length)
    chooser = StartChooser(intervals)
    lengths = np.full(len(expected), length)
    starts = chooser.choose(np.arange(len(expected)), lengths).tolist()
    assert sorted(starts) == expected
    assert chooser.choose(np.array([len(expected)]), lengths[:1]).tolist() == starts[:1]  # the rank wraps around


def test_starts_are_uniform_and_lengths_may_differ_within_a_batch():
    intervals = intervals_from([(3, 40), (0, 7), (5, 12), (1, 90)])
    n = 60_000
    bits = hash64(np.arange(n), 1, np.zeros(1, dtype=np.int64))
    lengths = np.tile([1, 10, 41], n // 3)
    starts = StartChooser(intervals).choose(bits, lengths)
    for length in (1, 10, 41):
        expected = starts_by_brute_force(intervals, length)
        values, counts = np.unique(starts[lengths == length], return_counts=True)
        assert values.tolist() == expected
        assert chisquare(counts).pvalue > 1e-4


def test_positions_beyond_four_gigabases_are_exact():
    far = 2**45
    intervals = np.array([[far, far + 2**40], [far + 2**41, far + 2**41 + 10]], dtype=np.int64)
    chooser = StartChooser(intervals)
    n_starts = 2**40 - 4 + 6
    starts = chooser.choose(np.array([0, n_starts - 1, n_starts - 7, n_starts]), np.full(4, 5))
    assert starts.tolist() == [far, far + 2**41 + 5, far + 2**40 - 5, far]


@settings(deadline=None, max_examples=150)
@given(
    pairs=gaps_and_lengths, width=st.integers(1, 12), count=st.integers(0, 40), seed=st.integers(-(2**63), 2**63 - 1)
)
def test_evenly_placed_windows_are_sorted_disjoint_and_inside(pairs, width, count, seed):
    intervals = intervals_from(pairs)
    starts = place_evenly(intervals, width, count, seed)
    assert len(starts) == min(count, sum((b - a) // width for a, b in intervals.tolist()))
    assert (np.diff(starts) >= width).all()
    assert all(((intervals[:, 0] <= start) & (start + width <= intervals[:, 1])).any() for start in starts)
    assert starts.tolist() == place_evenly(intervals, width, count, seed).tolist()


def test_evenly_placed_windows_spread_in_proportion_to_length_and_follow_the_seed():
    intervals = np.array([[0, 100_000], [200_000, 500_000]], dtype=np.int64)
    starts = place_evenly(intervals, 510, 80, seed=3)
    assert 19 <= (starts < 200_000).sum() <= 21
    assert np.diff(starts[starts >= 200_000]).max() < 2 * 5100
    assert len(np.unique(starts % 510)) >= 2  # each interval has a phase of its own
    assert starts.tolist() != place_evenly(intervals, 510, 80, seed=4).tolist()


def test_evenly_placed_windows_may_begin_with_an_interval_and_end_with_it():
    starts = {place_evenly(np.array([[5, 17]]), 10, 1, seed).item() for seed in range(60)}
    assert starts == {5, 6, 7}
