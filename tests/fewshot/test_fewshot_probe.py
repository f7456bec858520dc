import numpy as np
import pytest

from genomask.data import KmerTokenizer
from genomask.errors import SettingsError
from genomask.fewshot.probe import pooling_weights, probe_scorer, vectors
from genomask.fewshot.protocol import FewShotSettings, draw_examples
from genomask.inference.forward import forward, load_encoder, tokenise


@pytest.mark.parametrize(
    ("k", "stride", "length", "covering"),
    [
        (3, 1, 9, [2, 3, 4]),  # base 4 alone is the middle
        (3, 1, 10, [2, 3, 4, 5]),  # bases 4 and 5
        (3, 3, 10, [1]),  # tokens of bases 0-2, 3-5, 6-8
        (3, 3, 12, [1, 2]),  # bases 5 and 6 lie in two tokens
        (1, 1, 4, [1, 2]),
        (6, 1, 40, list(range(14, 21))),
    ],
)
def test_center_is_the_tokens_that_cover_the_middle(k, stride, length, covering):
    tokenised = tokenise(KmerTokenizer(k=k, stride=stride), ["A" * length], "file")
    weights = pooling_weights(tokenised, "center")
    assert (np.flatnonzero(weights) - 1).tolist() == covering
    assert weights.sum() == pytest.approx(1)


def test_mean_leaves_special_tokens_out_and_cls_takes_the_first():
    tokenised = tokenise(KmerTokenizer(k=3), ["ACGTA", "ACGTAC"], "file")
    third, fourth = [pytest.approx(1 / 3)] * 3, [0.25] * 4
    assert pooling_weights(tokenised, "mean").tolist() == [0, *third, 0, 0, *fourth, 0]
    assert np.flatnonzero(pooling_weights(tokenised, "cls")).tolist() == [0, 5]


def test_cls_needs_a_special_token_in_front():
    tokenised = tokenise(KmerTokenizer(k=3), ["ACGTA"], "file")
    bare = tokenised._replace(start=tokenised.start, stop=tokenised.start + 3)
    with pytest.raises(SettingsError, match="use pool = mean"):
        pooling_weights(bare, "cls")


def test_vectors_are_the_pooled_token_vectors_in_the_files_order(model_folder, pool):
    model, tokenizer = load_encoder(model_folder, seed=0, untrained=False)
    sequences = [pool.sequences[0], "ACGTACG", pool.sequences[1]]
    pooled = vectors(model, tokenizer, sequences, FewShotSettings(tokens_per_batch=40), "file")
    for sequence, vector in zip(sequences, pooled, strict=True):
        hidden = forward(model, tokenise(tokenizer, [sequence], "file").tokens).detach().numpy()
        np.testing.assert_allclose(vector, hidden[1:-1].mean(axis=0), atol=1e-5)


def test_the_probe_finds_a_signal_that_its_vectors_hold(model_folder, pool, test_task):
    rows = draw_examples(pool.labels, 10, "toy", 0)
    scorer = probe_scorer(model_folder, pool, test_task, FewShotSettings(), np.unique(rows), seed=0, untrained=False)
    probabilities = scorer(rows, 10, 0)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (probabilities.argmax(axis=1) == test_task.labels).mean() > 0.7
