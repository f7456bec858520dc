import numpy as np
import pytest

from genomask.fewshot.metrics import METRICS, score, score_labels, score_numbers


def test_a_hand_made_binary_case_has_its_known_scores():
    labels = np.array([0, 0, 1, 1])
    positive = np.array([0.1, 0.6, 0.4, 0.9])  # one mistake on each side; three of four pairs in order
    scores = score(labels, np.stack([1 - positive, positive], axis=1))
    assert list(scores) == list(METRICS)
    assert scores["accuracy"] == 0.5
    assert scores["f1_macro"] == 0.5
    assert scores["mcc"] == 0.0
    assert scores["auroc"] == 0.75
    assert scores["auprc"] == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


def test_of_two_classes_the_second_is_ranked_and_of_more_all_that_occur():
    labels = np.array([0, 0, 0, 1])
    positive = np.array([0.1, 0.2, 0.7, 0.6])
    two = np.stack([1 - positive, positive], axis=1)
    assert score(labels, two)["auprc"] == 0.5
    of_class_0 = (1 + 1 + 3 / 4) / 3
    three = np.column_stack([two, np.zeros(4)])  # no example is of the third
    assert score(labels, three)["auprc"] == pytest.approx((of_class_0 + 0.5) / 2)


def test_a_perfect_multiclass_case_scores_one():
    labels = np.array([0, 1, 2, 1])
    assert set(score(labels, np.eye(3)[labels]).values()) == {1.0}


def test_a_class_that_the_test_lacks_is_no_part_of_the_mean_f1():
    labels = np.array([0, 0, 1, 1])
    one_of_class_2 = np.eye(3)[[0, 0, 1, 2]]
    assert score(labels, one_of_class_2)["f1_macro"] == pytest.approx((1 + 2 / 3) / 2)


def test_multiclass_ranking_is_the_mean_of_one_against_the_rest():
    labels = np.array([0, 1, 2])
    probabilities = np.array([[0.5, 0.3, 0.2], [0.6, 0.3, 0.1], [0.2, 0.1, 0.7]])
    assert score(labels, probabilities)["auroc"] == pytest.approx((0.5 + 0.75 + 1) / 3)


def test_random_scores_have_an_auroc_of_a_half_and_an_mcc_of_zero():
    rng = np.random.default_rng(0)
    labels, positive = rng.integers(0, 2, 20_000), rng.random(20_000)
    scores = score(labels, np.stack([1 - positive, positive], axis=1))
    assert scores["auroc"] == pytest.approx(0.5, abs=0.02)
    assert scores["mcc"] == pytest.approx(0, abs=0.03)


def test_a_test_set_of_one_class_has_no_ranking():
    scores = score(np.zeros(3, dtype=int), np.eye(2)[[0, 0, 1]])
    assert np.isnan(scores["auroc"])
    assert scores["accuracy"] == pytest.approx(2 / 3)


def test_several_labels_are_right_together_and_ranked_one_by_one():
    labels = np.array([[1, 0, 1], [0, 0, 1], [1, 0, 1], [0, 0, 1]])
    probabilities = np.array([[0.9, 0.1, 0.6], [0.6, 0.2, 0.7], [0.7, 0.4, 0.8], [0.1, 0.1, 0.4]])
    scores = score_labels(labels, probabilities)
    assert list(scores) == list(METRICS)
    assert scores["accuracy"] == 0.5  # the first and the third row
    assert scores["f1_macro"] == pytest.approx((0.8 + 0 + 6 / 7) / 3)
    assert scores["mcc"] == pytest.approx((1 / 3**0.5 + 0 + 0) / 3)
    assert scores["auroc"] == scores["auprc"] == 1  # of the first label; the others are constant
    assert np.isnan(score_labels(labels[:, 1:], probabilities[:, 1:])["auroc"])


def test_numbers_are_correlated_by_value_and_by_rank():
    scores = score_numbers(np.array([0.0, 1, 2, 3]), np.array([0.0, 1, 4, 9]))
    assert scores["spearman"] == pytest.approx(1)
    assert scores["pearson"] == pytest.approx(15 / (5 * 49) ** 0.5)
    assert scores["mse"] == (4 + 36) / 4
    constant = score_numbers(np.array([0.0, 1]), np.ones(2))
    assert np.isnan([constant["pearson"], constant["spearman"]]).all()
    assert constant["mse"] == 0.5
