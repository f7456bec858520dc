import runpy
from pathlib import Path

import numpy as np
import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "mask_shape_leak.py"


@pytest.fixture(scope="module")
def leak():
    return runpy.run_path(str(BENCHMARK))


def test_the_probability_of_a_short_span_agrees_with_drawing_the_centres(leak):
    rng = np.random.default_rng(0)
    n_bases, probability, ranks = 100, 0.03, np.array([0.1, 0.5, 0.9])
    short, seen = np.zeros(3), 0
    for _ in range(40_000):
        others = rng.random(rng.binomial(n_bases - 1, probability))
        m = len(others) + 1
        short += (others[:, None] > ranks).sum(0) >= np.ceil(m / 2)
        seen += 1
    assert leak["probability_of_short"](ranks, n_bases, probability) == pytest.approx(short / seen, abs=0.01)


def test_a_score_that_says_nothing_leaves_the_composition(leak):
    true = np.array([0, 0, 1, 2, 3, 3, 3, 3])
    flat = np.zeros((8, 4))
    fractions = np.bincount(true) / 8
    order_0 = -(fractions * np.log2(fractions)).sum()
    assert leak["bits_given_short"](flat, true, 100, 0.03) == pytest.approx(order_0)
