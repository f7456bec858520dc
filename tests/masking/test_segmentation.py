import numpy as np
import pytest
from ngrams_by_hand import words

from genomask.masking.npmi import segmentation


@pytest.mark.parametrize("n", [1, 2, 4])
def test_words_are_spelt_in_the_order_of_the_arrays(n):
    assert segmentation.words(n).tolist() == words(n)


def test_the_reverse_complement_of_each_word_is_found_at_its_place():
    pair = str.maketrans("ACGT", "TGCA")
    opposite = segmentation.reverse_complemented(np.array(words(3)))
    assert opposite.tolist() == [word.translate(pair)[::-1] for word in words(3)]


def test_with_parts_of_one_letter_the_log_probabilities_of_the_letters_add_up():
    log_p = {1: np.log([0.1, 0.2, 0.3, 0.4]), 2: np.zeros(16), 3: np.zeros(64)}
    letters = segmentation.best_segmentations(log_p, longest_part=1)[3]
    assert letters[words(3).index("GAT")] == pytest.approx(np.log(0.3 * 0.1 * 0.4))


def test_counts_are_rounded_down_before_they_become_probabilities():
    log_p = segmentation.log_probabilities({1: np.array([19, 20, 9, 39])}, (10,), 1.0)[1]
    np.testing.assert_allclose(np.exp(log_p), np.array([10, 20, 0, 30]) / 60)
