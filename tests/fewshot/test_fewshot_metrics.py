import numpy as np
import pytest

from genomask.fewshot.metrics import METRICS, score


def test_a_hand_made_binary_case():
    labels = np.array([0, 0, 1, 1])
    positive = np.array([0.1, 0.6, 0.4, 0.9])  # one mistake on each side; three of four pairs in order
    scores = score(labels, np.stack([1 - positive, positive], axis=1))
    assert list(scores) == list(METRICS)
    assert scores["accuracy"] == 0.5
    assert scores["f1_macro"] == 0.5
    assert scores["mcc"] == 0.0
    assert scores["auroc"] == 0.75
    assert scores["auprc"] == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


def test_a_perfect_multiclass_case():
    labels = np.array([0, 1, 2, 1])
    assert set(score(labels, np.eye(3)[labels]).values()) == {1.0}


def test_multiclass_ranking_is_the_mean_of_one_against_the_rest():
    labels = np.array([0, 1, 2])
    probabilities = np.array([[0.5, 0.3, 0.2], [0.6, 0.3, 0.1], [0.2, 0.1, 0.7]])
    assert score(labels, probabilities)["auroc"] == pytest.approx((0.5 + 0.75 + 1) / 3)


def test_probability_is_half_and_mcc_zero():
    rng = np.random.default_rng(0)
    labels, positive = rng.integers(0, 2, 20_000), rng.random(20_000)
    scores = score(labels, np.stack([1 - positive, positive], axis=1))
    assert scores["auroc"] == pytest.approx(0.5, abs=0.02)
    assert scores["mcc"] == pytest.approx(0, abs=0.03)


def test_a_test_set_of_one_class_has_no_ranking():
    scores = score(np.zeros(3, dtype=int), np.eye(2)[[0, 0, 1]])
    assert np.isnan(scores["auroc"])
    assert scores["accuracy"] == pytest.approx(2 / 3)
