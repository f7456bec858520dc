"""Classifiers on frozen vectors, one a sequence: linear ones, the probe among them, and the vote of the neighbours.

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
LOGIT_VARIANCE = 8
"""Of `linear_in_layers`, before it has seen an example. Chosen on the pools of nine tasks (benchmarks/probe.py)."""


def linear(n_examples: int, n_features: int) -> LogisticRegression:
    """The probe's classifier, whatever the numbers."""
    return LogisticRegression(C=1, max_iter=MAX_ITERATIONS)


def linear_in_layers(n_examples: int, n_features: int) -> LogisticRegression:
    """One for many features: C, the prior variance of a weight, is such that they do not add up to a wider prior."""
    return LogisticRegression(C=LOGIT_VARIANCE / n_features, max_iter=MAX_ITERATIONS)


def nearest(n_examples: int, n_features: int) -> KNeighborsClassifier:
    """The vote of the nearest examples by the angle of their vectors, the nearer ones counting more."""
    return KNeighborsClassifier(min(NEIGHBOURS, n_examples), metric="cosine", weights="distance")


def vector_scorer(
    classifier_of: Callable[[int, int], Any],
    folder: Path,
    pool: LabelledTask,
    test: LabelledTask,
    settings: VectorSettings,
    rows: np.ndarray,
    *,
    seed: int,
    untrained: bool,
    every_layer: bool = False,
) -> Scorer:
    """A classifier, made for so many examples of so many features, on vectors, standardised on the drawn examples.

    `rows` are those of the pool that any draw will use. `untrained`: of the encoder's twin. `every_layer`: on means and
    standard deviations of every layer's vectors.
    """
    loaded = load(folder, seed=seed, untrained=untrained)
    drawable = [pool.sequences[row] for row in rows]
    train_vectors = vectors(loaded, drawable, settings, str(pool.path), every_layer=every_layer)
    test_vectors = vectors(loaded, test.sequences, settings, str(test.path), every_layer=every_layer)

    def scorer(drawn: np.ndarray, shot: int, draw: int) -> np.ndarray:
        classifier = make_pipeline(StandardScaler(), classifier_of(len(drawn), train_vectors.shape[1]))
        classifier.fit(train_vectors[np.searchsorted(rows, drawn)], pool.labels[drawn])
        probabilities: np.ndarray = classifier.predict_proba(test_vectors)
        return probabilities

    return scorer
