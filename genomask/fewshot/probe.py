"""The probe: a linear classifier on frozen vectors, one a sequence.

In: an encoder folder, a pool and a test. Out: probabilities for any drawn training set. Vectors are computed once.
"""

from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from genomask.data.tasks import LabelledTask
from genomask.fewshot.draws import Scorer
from genomask.inference.models import load
from genomask.inference.pooling import VectorSettings, vectors

MAX_ITERATIONS = 1000


def probe_scorer(
    folder: Path,
    pool: LabelledTask,
    test: LabelledTask,
    settings: VectorSettings,
    rows: np.ndarray,
    *,
    seed: int,
    untrained: bool,
) -> Scorer:
    """`probe`, or `random-init/probe` where untrained; `rows` are those of the pool that any draw will use."""
    loaded = load(folder, seed=seed, untrained=untrained)
    train_vectors = vectors(loaded, [pool.sequences[row] for row in rows], settings, str(pool.path))
    test_vectors = vectors(loaded, test.sequences, settings, str(test.path))

    def scorer(drawn: np.ndarray, shot: int, draw: int) -> np.ndarray:
        classifier = make_pipeline(StandardScaler(), LogisticRegression(C=1, max_iter=MAX_ITERATIONS))
        classifier.fit(train_vectors[np.searchsorted(rows, drawn)], pool.labels[drawn])
        probabilities: np.ndarray = classifier.predict_proba(test_vectors)
        return probabilities

    return scorer
