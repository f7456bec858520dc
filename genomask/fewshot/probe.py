"""Classifiers on frozen vectors, one a sequence: the probe, which is linear, and the vote of the nearest neighbours.

In: an encoder folder, a pool and a test. Out: probabilities for any drawn training set. Vectors are computed once.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from genomask.data.tasks import LabelledTask
from genomask.fewshot.draws import Scorer
from genomask.inference.models import load
from genomask.inference.pooling import VectorSettings, vectors

MAX_ITERATIONS = 1000
NEIGHBOURS = 5


def linear(n_examples: int) -> LogisticRegression:
    """The probe's classifier, whatever the number of examples."""
    return LogisticRegression(C=1, max_iter=MAX_ITERATIONS)


def nearest(n_examples: int) -> KNeighborsClassifier:
    """The vote of the nearest examples by the angle of their vectors, the nearer ones counting more."""
    return KNeighborsClassifier(min(NEIGHBOURS, n_examples), metric="cosine", weights="distance")


def vector_scorer(
    classifier_of: Callable[[int], Any],
    folder: Path,
    pool: LabelledTask,
    test: LabelledTask,
    settings: VectorSettings,
    rows: np.ndarray,
    *,
    seed: int,
    untrained: bool,
) -> Scorer:
    """A classifier (made for so many examples) on vectors, standardised on the drawn examples; `untrained`: of a twin.

    `rows` are those of the pool that any draw will use.
    """
    loaded = load(folder, seed=seed, untrained=untrained)
    train_vectors = vectors(loaded, [pool.sequences[row] for row in rows], settings, str(pool.path))
    test_vectors = vectors(loaded, test.sequences, settings, str(test.path))

    def scorer(drawn: np.ndarray, shot: int, draw: int) -> np.ndarray:
        classifier = make_pipeline(StandardScaler(), classifier_of(len(drawn)))
        classifier.fit(train_vectors[np.searchsorted(rows, drawn)], pool.labels[drawn])
        probabilities: np.ndarray = classifier.predict_proba(test_vectors)
        return probabilities

    return scorer
