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


def test_a_single_tilted_base_reveals_nearly_nothing_with_weights_and_misleads_without(leak):
    codes = np.random.default_rng(0).integers(0, 4, 3000, dtype=np.uint8)
    places = np.arange(10, 2990)
    words, true = leak["words_by_base"](codes, places, 3), codes[places].astype(np.int64)
    own = words[np.arange(len(places)), true]
    assert (own == [[16 * a + 4 * b + c for a, b, c in codes[[[x - 2, x - 1, x], [x - 1, x, x + 1], [x, x + 1, x + 2]]]]
                    for x in places.tolist()]).all()  # fmt: skip
    order_0 = leak["bits_given"](np.ones((len(true), 4)), true)
    tilts = np.random.default_rng(1).uniform(0.3, 3, 64)[words]
    weighted, plain = (leak["bits_given_tilted"](tilts, true, 0.01, weighted) for weighted in (True, False))
    assert weighted == pytest.approx(order_0, abs=2e-3)
    assert plain > order_0 + 0.05
    assert leak["bits_given_tilted"](np.ones_like(tilts), true, 0.01, False) == pytest.approx(order_0)


def test_a_flat_score_leaves_the_composition(leak):
    true = np.array([0, 0, 1, 2, 3, 3, 3, 3])
    flat = np.zeros((8, 4))
    fractions = np.bincount(true) / 8
    order_0 = -(fractions * np.log2(fractions)).sum()
    assert leak["bits_given_short"](flat, true, 100, 0.03) == pytest.approx(order_0)
