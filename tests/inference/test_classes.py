"""How a classifier's logits are read, for each kind of problem."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from genomask.inference.classes import class_names, problem, read_out


def model_of(num_labels, problem_type=None):
    names = {number: f" class\n{number}" for number in range(num_labels)}
    return SimpleNamespace(config=SimpleNamespace(num_labels=num_labels, problem_type=problem_type, id2label=names))


def test_a_config_that_names_no_problem_is_read_as_by_transformers():
    assert problem(model_of(1)) == "regression"
    assert problem(model_of(2)) == "single_label_classification"
    assert problem(model_of(1, "multi_label_classification")) == "multi_label_classification"


def test_names_of_classes_are_one_line_and_a_regression_has_none():
    assert class_names(model_of(2)) == ["class 0", "class 1"]
    assert class_names(model_of(1)) == []


def test_strands_are_averaged_as_probabilities_and_not_as_logits():
    forward, reverse = torch.tensor([[9.0, 0.0]], dtype=torch.float64), torch.tensor([[0.0, 3.0]], dtype=torch.float64)
    said = read_out(model_of(2), [forward, reverse])
    expected = (torch.softmax(forward, 1) + torch.softmax(reverse, 1)) / 2
    np.testing.assert_allclose(said.figures, expected)
    assert said.figures.sum() == pytest.approx(1)
    assert said.labels == ["class 0"]


def test_with_several_labels_all_that_are_at_least_as_likely_as_not_are_given():
    logits = torch.tensor([[0.0, -0.1, 2.0], [-1.0, -1.0, -1.0]])
    said = read_out(model_of(3, "multi_label_classification"), [logits])
    assert said.labels == ["class 0;class 2", ""]
    np.testing.assert_allclose(said.figures, torch.sigmoid(logits), rtol=1e-6)


def test_a_regression_averages_its_values_and_gives_no_other_figure():
    said = read_out(model_of(1), [torch.tensor([[1.0], [2.0]]), torch.tensor([[2.0], [2.0]])])
    assert said.labels == ["1.5", "2"]
    assert said.figures.shape == (2, 0)


def test_values_of_a_regression_are_written_in_full_float32_precision():
    values = torch.tensor([[16777215.0], [1.0000001]])
    labels = read_out(model_of(1), [values]).labels
    assert [np.float32(label) for label in labels] == values.flatten().tolist()
