"""A small task with a signal, for the tests of this room."""

from pathlib import Path

import numpy as np
import pytest

from genomask.data.tasks import LabelledTask


def make_task(n: int, seed: int, path: str, length: int = 24) -> LabelledTask:
    """`n` sequences of each of two classes, the second richer in G and C."""
    rng = np.random.default_rng(seed)
    probabilities = ([0.35, 0.15, 0.15, 0.35], [0.15, 0.35, 0.35, 0.15])
    sequences = ["".join(rng.choice(list("ACGT"), length, p=p)) for p in probabilities for _ in range(n)]
    return LabelledTask("toy", sequences, np.repeat([0, 1], n), ["at", "gc"], Path(path))


@pytest.fixture(scope="session")
def pool() -> LabelledTask:
    return make_task(12, seed=1, path="pool.tsv")


@pytest.fixture(scope="session")
def test_task() -> LabelledTask:
    return make_task(30, seed=2, path="test.tsv")
