import itertools
import math

import numpy as np
import pytest
import torch

from genomask.training.bits import base_probabilities, bits_per_base, clustered_mean


@pytest.mark.parametrize("k", [1, 2, 3])
def test_marginals_agree_with_a_sum_over_every_kmer(k):
    generator = torch.Generator().manual_seed(0)
    hidden = torch.zeros(12, dtype=torch.bool)
    hidden[5] = True
    first_base = torch.arange(5 - k + 1, 6)
    log_probs = torch.randn(k, 4**k, generator=generator).log_softmax(-1)
    words = list(itertools.product(range(4), repeat=k))
    expected = np.zeros(4)
    for token, start in enumerate(first_base.tolist()):
        for i, word in enumerate(words):
            expected[word[5 - start]] += float(log_probs[token, i].exp()) / k
    found = base_probabilities(log_probs, first_base, hidden)
    assert found[5].numpy() == pytest.approx(expected, abs=1e-6)
    assert found[~hidden].abs().sum() == 0


def test_a_uniform_model_scores_two_bits_and_a_perfect_one_none():
    hidden = torch.zeros(3, 30, dtype=torch.bool)
    hidden[:, 10:16] = True
    assert bits_per_base(torch.full((3, 30), 0.25), hidden)[:2] == (2.0, 0.0)
    assert bits_per_base(torch.ones(3, 30), hidden)[:2] == (0.0, 0.0)
    assert bits_per_base(torch.ones(3, 30), hidden).n_bases == 18


def test_a_single_window_has_no_standard_error():
    hidden = torch.ones(1, 30, dtype=torch.bool)
    assert bits_per_base(torch.full((1, 30), 0.25), hidden) == (2.0, None, 30)


def test_the_standard_error_is_that_of_the_ratio_of_two_sums():
    assert clustered_mean(torch.tensor([1.0, 3.0]), torch.tensor([1, 1])) == (2.0, 1.0)  # deviation over sqrt(2)
    assert clustered_mean(torch.tensor([1.0, 6.0]), torch.tensor([1, 3])) == (1.75, 0.375)  # lengths differ


def test_the_standard_error_covers_window_to_window_differences():
    generator = torch.Generator().manual_seed(1)
    errors, means = [], []
    for _ in range(300):
        window_effect = torch.randn(50, 1, generator=generator)
        items = window_effect + torch.randn(50, 8, generator=generator)
        mean, error = clustered_mean(items.sum(1), torch.full((50,), 8))
        means.append(mean)
        errors.append(error)
    assert np.mean(errors) == pytest.approx(np.std(means), rel=0.1)
    naive = math.sqrt(2 / 400)
    assert np.mean(errors) > 2 * naive
