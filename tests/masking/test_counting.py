import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ngrams_by_hand import counted_by_hand

from genomask.errors import SettingsError
from genomask.masking.npmi import counting
from genomask.masking.npmi.counting import count_ngrams, counts_of_parts, parts
from genomask.masking.npmi.counting_loop import BLOCK


def counted_by_numpy(codes, n):
    """Counts of the n-grams of one interval, indexed by the number that their letters spell."""
    views = np.lib.stride_tricks.sliding_window_view(codes, n)
    whole = views[(views < 4).all(1)].astype(np.int64)
    return np.bincount(whole @ 4 ** np.arange(n - 1, -1, -1), minlength=4**n)


@settings(max_examples=150, deadline=None)
@given(
    codes=st.lists(st.sampled_from([0, 1, 2, 3, 0, 1, 2, 3, 4, 255]), min_size=1, max_size=80),
    cuts=st.lists(st.integers(0, 80), max_size=6),
    part_size=st.integers(1, 30),
    max_n=st.integers(1, 5),
)
def test_parts_of_any_size_count_every_ngram_once(codes, cuts, part_size, max_n):
    codes = np.array(codes, dtype=np.uint8)
    bounds = sorted(min(cut, len(codes)) for cut in cuts)
    intervals = np.array(list(zip(bounds[::2], bounds[1::2], strict=False)), dtype=np.int64).reshape(-1, 2)
    counts = counts_of_parts(codes, list(parts(intervals, part_size, max_n)), max_n, threads=2)
    for n in range(1, max_n + 1):
        assert counts[n].tolist() == counted_by_hand(codes, intervals.tolist(), n)


@pytest.mark.parametrize("max_n", [1, 2, 6, 8])
def test_long_sequences_are_counted_block_by_block(max_n):
    rng = np.random.default_rng(0)
    codes = rng.choice(4, 5 * BLOCK + 17, p=[0.5, 0.3, 0.15, 0.05]).astype(np.uint8)
    codes[[3, BLOCK + 5, 3 * BLOCK - 1, 3 * BLOCK]] = 4
    counts = count_ngrams(codes, np.array([[0, len(codes)]]), max_n)
    for n in range(1, max_n + 1):
        np.testing.assert_array_equal(counts[n], counted_by_numpy(codes, n))


def test_a_word_may_occur_more_often_than_a_byte_holds():
    codes = np.zeros(100_000, dtype=np.uint8)
    assert count_ngrams(codes, np.array([[0, 100_000]]), 3)[3][0] == 100_000 - 2


def test_the_bases_are_divided_into_parts_of_equal_size(monkeypatch):
    monkeypatch.setattr(counting, "SMALLEST_PART", 1000)
    intervals = np.array([[5, 2500], [2500, 2501], [4000, 9000]])
    groups = list(parts(intervals, 1000, 4))
    assert [int((group[:, 2] - group[:, 1]).sum()) for group in groups] == [1000] * 7 + [496]
    codes = np.random.default_rng(0).integers(0, 4, 9000).astype(np.uint8)
    whole = sum(counted_by_numpy(codes[start:stop], 2) for start, stop in intervals if stop > start + 1)
    np.testing.assert_array_equal(count_ngrams(codes, intervals, 4)[2], whole)


def test_a_read_only_memory_map_can_be_counted(tmp_path):
    np.zeros(50, dtype=np.uint8).tofile(tmp_path / "codes")
    codes = np.memmap(tmp_path / "codes", dtype=np.uint8, mode="r")
    assert count_ngrams(codes, np.array([[0, 50]]), 2)[2][0] == 49


@pytest.mark.parametrize("max_n", [0, 13])
def test_a_length_whose_table_does_not_fit_is_refused(max_n):
    with pytest.raises(SettingsError, match="of length 1 to 12 "):
        count_ngrams(np.zeros(50, dtype=np.uint8), np.array([[0, 50]]), max_n)
