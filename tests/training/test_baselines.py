import math

import numpy as np
import pytest
import torch

from genomask.training.baselines import entropy_nats, markov_bits, order_0_fractions
from genomask.training.bits import bits_per_base


def test_the_entropy_of_equally_frequent_tokens_is_the_logarithm_of_their_number():
    assert entropy_nats(torch.tensor([3, 9, 3, 9])) == pytest.approx(math.log(2))
    assert f"{entropy_nats(torch.tensor([7, 7])):.3f}" == "0.000"  # a run's report shows it, and should not show -0.000


def test_order_0_is_the_entropy_of_the_hidden_bases_themselves():
    codes = torch.tensor([[0, 0, 0, 1, 3, 3]])
    hidden = torch.tensor([[True, True, True, True, False, False]])
    expected = -(0.75 * math.log2(0.75) + 0.25 * math.log2(0.25))
    assert bits_per_base(order_0_fractions(codes, hidden), hidden).mean == pytest.approx(expected)


def test_the_markov_floor_agrees_with_a_walk_over_the_bases():
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 50, 4**6)
    codes = rng.integers(0, 4, (2, 40))
    hidden = np.zeros((2, 40), dtype=bool)
    hidden[:, 20:26] = True
    bits = []
    for row, at in np.argwhere(hidden):
        words = [(*codes[row, at - 5 : at], base) for base in range(4)]
        seen = [counts[sum(int(c) * 4 ** (5 - i) for i, c in enumerate(word))] + 1 for word in words]
        bits.append(-math.log2(seen[codes[row, at]] / sum(seen)))
    floor = markov_bits(torch.from_numpy(codes), torch.from_numpy(hidden), counts)
    assert floor.mean == pytest.approx(np.mean(bits))
