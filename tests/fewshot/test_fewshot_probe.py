import numpy as np

from genomask.fewshot.draws import draw_examples
from genomask.fewshot.probe import probe_scorer
from genomask.inference.pooling import VectorSettings


def test_the_probe_finds_a_signal_that_its_vectors_hold(model_folder, pool, test_task):
    rows = draw_examples(pool.labels, 10, "toy", 0)
    scorer = probe_scorer(model_folder, pool, test_task, VectorSettings(), np.unique(rows), seed=0, untrained=False)
    probabilities = scorer(rows, 10, 0)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (probabilities.argmax(axis=1) == test_task.labels).mean() > 0.7
