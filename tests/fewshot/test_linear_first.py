import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from genomask.fewshot.finetune import FineTuneSettings, finetune_scorer, new_classifier
from genomask.fewshot.linear_first import features, last_layer, start_linear
from genomask.inference.forward import logits
from genomask.inference.tokens import tokenise

SEVERAL = np.array([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])


def started(folder, sequences, targets, **settings):
    model, tokenizer = new_classifier(folder, seed=0, **settings)
    tokens = tokenise(tokenizer, sequences, "x").tokens
    start_linear(model, tokens, targets)
    inputs = StandardScaler().fit_transform(features(model, last_layer(model), tokens))
    return logits(model, tokens), inputs


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_head_starts_at_the_logistic_regression_of_its_inputs(model_folder, pool, n_classes):
    labels = np.arange(len(pool.labels)) % n_classes
    found, inputs = started(model_folder, pool.sequences, labels, num_labels=n_classes)
    fitted = LogisticRegression(C=1, max_iter=1000).fit(inputs, labels)
    np.testing.assert_allclose(found.softmax(1), fitted.predict_proba(inputs), atol=2e-4)


def test_several_labels_start_at_their_own_regressions_and_constant_ones_near_0_or_1(model_folder, pool):
    targets = SEVERAL[pool.labels]
    found, inputs = started(
        model_folder, pool.sequences, targets, num_labels=3, problem_type="multi_label_classification"
    )
    fitted = LogisticRegression(C=1, max_iter=1000).fit(inputs, targets[:, 0])
    np.testing.assert_allclose(found[:, 0].sigmoid(), fitted.predict_proba(inputs)[:, 1], atol=2e-4)
    assert (found[:, 1].sigmoid() < 0.1).all()
    assert (found[:, 2].sigmoid() > 0.9).all()


def test_a_regression_starts_at_the_ridge(model_folder, pool):
    targets = np.linspace(-1, 1, len(pool.labels))[:, None]
    found, inputs = started(model_folder, pool.sequences, targets, num_labels=1, problem_type="regression")
    np.testing.assert_allclose(found, Ridge(alpha=1).fit(inputs, targets).predict(inputs).reshape(-1, 1), atol=1e-4)


def test_berts_head_starts_at_the_logistic_regression_too(tmp_path, pool):
    from transformers import BertConfig, BertForMaskedLM

    from genomask.data import KmerTokenizer

    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertForMaskedLM(BertConfig(vocab_size=21, **sizes)).save_pretrained(tmp_path)
    KmerTokenizer(k=2).save_pretrained(tmp_path)
    found, inputs = started(tmp_path, pool.sequences, pool.labels, num_labels=2)
    fitted = LogisticRegression(C=1, max_iter=1000).fit(inputs, pool.labels)
    np.testing.assert_allclose(found.softmax(1), fitted.predict_proba(inputs), atol=2e-4)


def test_at_a_rate_near_zero_only_linear_first_gives_the_linear_solution(model_folder, pool, test_task):
    rows = np.arange(len(pool.labels))
    model, tokenizer = new_classifier(model_folder, seed=0, num_labels=2)
    start_linear(model, tokenise(tokenizer, pool.sequences, "x").tokens, pool.labels)
    linear = logits(model, tokenise(tokenizer, test_task.sequences, "x").tokens).softmax(1)
    for name, is_linear in (("linear-first", True), ("published", False)):
        settings = FineTuneSettings(schedule=name, learning_rate=1e-9, epochs=1)
        scorer = finetune_scorer(model_folder, pool, test_task, settings, seed=0, untrained=False)
        assert np.allclose(scorer(rows, 12, 0), linear, atol=1e-4) == is_linear


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_a_classifier_gives_a_sequence_the_same_logits_packed_or_padded(model_folder, pooling, tmp_path):
    from genomask.encoders import MosaicBertForSequenceClassification

    model, tokenizer = new_classifier(model_folder, {"cls": "published", "mean": "linear-first"}[pooling], seed=3)
    assert model.config.classifier_pooling == pooling
    model.save_pretrained(tmp_path)
    again = MosaicBertForSequenceClassification.from_pretrained(tmp_path).eval()
    sequences = ["ACGTACGT", "GGATTACAGATTACA"]
    packed = logits(model, tokenise(tokenizer, sequences, "x").tokens)
    for sequence, expected in zip(sequences, packed, strict=True):
        with torch.no_grad():
            alone = again(**tokenizer(sequence, return_tensors="pt", padding="max_length", max_length=20)).logits[0]
        torch.testing.assert_close(alone.double(), expected, atol=1e-5, rtol=0)
