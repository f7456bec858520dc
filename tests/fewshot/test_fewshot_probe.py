import numpy as np
import pytest

from genomask.fewshot.draws import draw_examples
from genomask.fewshot.probe import linear, linear_in_layers, nearest, vector_scorer
from genomask.inference.pooling import VectorSettings


@pytest.mark.parametrize(
    ("classifier_of", "every_layer"), [(linear, False), (nearest, False), (linear_in_layers, True)]
)
def test_a_classifier_finds_a_signal_that_the_vectors_hold(model_folder, pool, test_task, classifier_of, every_layer):
    rows = draw_examples(pool.labels, 10, "toy", 0)
    task = model_folder, pool, test_task, VectorSettings(), np.unique(rows)
    scorer = vector_scorer(classifier_of, *task, seed=0, untrained=False, every_layer=every_layer)
    probabilities = scorer(rows, 10, 0)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (probabilities.argmax(axis=1) == test_task.labels).mean() > 0.7


def test_fewer_examples_than_neighbours_are_enough(model_folder, pool, test_task):
    rows = np.array([0, 12])
    scorer = vector_scorer(nearest, model_folder, pool, test_task, VectorSettings(), rows, seed=0, untrained=False)
    assert scorer(rows, 1, 0).shape == (60, 2)


def test_the_prior_of_a_logit_is_equally_wide_for_any_number_of_features():
    variances = [linear_in_layers(20, n).C * n for n in (96, 768, 20_000)]
    assert variances == pytest.approx([8, 8, 8])
