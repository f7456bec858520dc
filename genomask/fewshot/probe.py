"""Classifiers on frozen vectors, one per sequence: linear ones, among them the probe, and nearest neighbours.

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
"""Prior variance of the logits of `linear_in_layers`. Chosen on the pools of nine tasks (benchmarks/probe.py)."""


def linear(n_examples: int, n_features: int) -> LogisticRegression:
    """The probe's classifier, the same for all numbers."""
    return LogisticRegression(C=1, max_iter=MAX_ITERATIONS)


def linear_in_layers(n_examples: int, n_features: int) -> LogisticRegression:
    """For many features: C, a weight's prior variance, falls with their number, so the logits' prior is no wider."""
    return LogisticRegression(C=LOGIT_VARIANCE / n_features, max_iter=MAX_ITERATIONS)


def nearest(n_examples: int, n_features: int) -> KNeighborsClassifier:
    """The vote of the nearest examples by the angle of their vectors; nearer ones count more."""
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
    """A classifier on vectors that are standardised on the drawn examples; `classifier_of` takes (examples, features).

    `rows`: those of the pool that any draw will use. `untrained`: vectors of the encoder's twin. `every_layer`: means
    and standard deviations of every layer's vectors.
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
