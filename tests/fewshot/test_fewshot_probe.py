import numpy as np
import pytest

from genomask.fewshot.draws import draw_examples
from genomask.fewshot.probe import linear, nearest, vector_scorer
from genomask.inference.pooling import VectorSettings


@pytest.mark.parametrize("classifier_of", [linear, nearest])
def test_a_classifier_finds_a_signal_that_the_vectors_hold(model_folder, pool, test_task, classifier_of):
    rows = draw_examples(pool.labels, 10, "toy", 0)
    scorer = vector_scorer(
        classifier_of, model_folder, pool, test_task, VectorSettings(), np.unique(rows), seed=0, untrained=False
    )
    probabilities = scorer(rows, 10, 0)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (probabilities.argmax(axis=1) == test_task.labels).mean() > 0.7


def test_fewer_examples_than_neighbours_are_enough(model_folder, pool, test_task):
    rows = np.array([0, 12])
    scorer = vector_scorer(nearest, model_folder, pool, test_task, VectorSettings(), rows, seed=0, untrained=False)
    assert scorer(rows, 1, 0).shape == (60, 2)
