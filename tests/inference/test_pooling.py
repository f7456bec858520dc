import numpy as np
import pytest
import torch

from genomask.data import KmerTokenizer
from genomask.errors import SettingsError
from genomask.inference.forward import TOKENS_AT_ONCE, forward
from genomask.inference.models import load
from genomask.inference.pooling import VectorSettings, pooling_weights, token_vectors, vectors
from genomask.inference.tokens import tokenise


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
    with pytest.raises(SettingsError, match="use pooling = mean"):
        pooling_weights(bare, "cls")


def test_a_sequence_whose_middle_no_token_covers_is_named():
    tokenised = tokenise(KmerTokenizer(k=4, stride=4), ["ACGT", "ACGTACG"], "file", ["row 2", "row 3"])
    beyond = tokenised._replace(letters=np.array([4, 40]))
    with pytest.raises(SettingsError, match="in row 3 no token covers the middle"):
        pooling_weights(beyond, "center")


def test_vectors_are_the_pooled_token_vectors_in_the_files_order(model_folder, monkeypatch):
    monkeypatch.setitem(TOKENS_AT_ONCE, "cpu", 40)
    loaded = load(model_folder)
    sequences = ["ACGTTGCAACGTAGGCTA", "ACGTACG", "GGGTTTACATCAT"]
    pooled = vectors(loaded, sequences, VectorSettings(), "file")
    for sequence, vector in zip(sequences, pooled, strict=True):
        hidden = forward(loaded.model, tokenise(loaded.tokenizer, [sequence], "file").tokens).detach().numpy()
        np.testing.assert_allclose(vector, hidden[1:-1].mean(axis=0), atol=1e-5)


@pytest.mark.parametrize(("every_layer", "width"), [(False, 32), (True, 192)])
def test_no_sequences_give_no_vectors(model_folder, every_layer, width):
    found = vectors(load(model_folder), [], VectorSettings(), "nothing", every_layer=every_layer)
    assert (found.shape, found.dtype) == ((0, width), np.float32)
    found = token_vectors(load(model_folder), [], VectorSettings(), "nothing")
    assert [len(part) for part in found] == [0] * 4
    assert found.vectors.shape == (0, 32)


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize("pooling", ["mean", "center", "cls"])
def test_with_every_layer_vectors_are_means_and_deviations_of_each(
    ours, pooling, model_folder, bert_folder, monkeypatch
):
    monkeypatch.setitem(TOKENS_AT_ONCE, "cpu", 20)
    loaded = load(model_folder if ours else bert_folder)
    sequences = ["ACGTTGCAACGTAGGCTA", "ACGTACGT", "GGGTTTACATCATA"]
    settings = VectorSettings(pooling=pooling)
    found = vectors(loaded, sequences, settings, "file", every_layer=True)
    for sequence, vector in zip(sequences, found, strict=True):
        tokenised = tokenise(loaded.tokenizer, [sequence], "file")
        taken = pooling_weights(tokenised, pooling) > 0
        with torch.no_grad():
            layers = loaded.model.eval()(tokenised.tokens.input_ids[None], output_hidden_states=True).hidden_states
        states = [layer[0].double().numpy()[taken] for layer in layers]
        exact = [state.mean(axis=0) for state in states] + [state.std(axis=0) for state in states]
        np.testing.assert_allclose(vector, np.concatenate(exact), atol=2e-5)


@pytest.mark.parametrize("change", [{"pooling": "max"}, {"precision": "fp16"}])
def test_an_impossible_setting_is_named(change):
    with pytest.raises(SettingsError, match=next(iter(change))):
        VectorSettings(**change)


def test_a_model_that_was_in_training_is_read_without_dropout(model_folder):
    loaded, sequences = load(model_folder, hidden_dropout_prob=0.5), ["ACGTTGCAACGT", "ACGTACG"]
    expected = vectors(loaded, sequences, VectorSettings(), "file")
    assert loaded.model.train().training
    np.testing.assert_array_equal(vectors(loaded, sequences, VectorSettings(), "file"), expected)
    of_tokens = token_vectors(loaded, sequences, VectorSettings(), "file").vectors
    loaded.model.train()
    np.testing.assert_array_equal(token_vectors(loaded, sequences, VectorSettings(), "file").vectors, of_tokens)


def test_vectors_of_tokens_are_those_of_each_sequence_alone(model_folder, monkeypatch):
    monkeypatch.setitem(TOKENS_AT_ONCE, "cpu", 20)
    loaded, sequences = load(model_folder), ["ACGTTGCAACGTAGGCTA", "ACGTACG", "GGGTTTACATCAT"]
    found = token_vectors(loaded, sequences, VectorSettings(), "file")
    assert found.sequence.tolist() == [0] * 16 + [1] * 5 + [2] * 11
    for number, sequence in enumerate(sequences):
        hidden = forward(loaded.model, tokenise(loaded.tokenizer, [sequence], "file").tokens).detach().numpy()
        np.testing.assert_allclose(found.vectors[found.sequence == number], hidden[1:-1], atol=1e-5)
