"""Pictures of classifiers: they are made for two classes and for hundreds, for odd names and for a single point."""

import numpy as np
import pandas as pd
import pytest

from genomask.report.classifier_plots import answers, loss_curves, predictions


@pytest.mark.parametrize("classes", [2, 15, 120])
@pytest.mark.parametrize("several", [False, True])
def test_answers_are_counted_in_a_matrix(tmp_path, classes, several):
    rng = np.random.default_rng(0)
    names = [f"_class $ {number}\x1b" + "long " * (number % 9) for number in range(classes)]
    truth = rng.integers(0, 2, (40, classes)) if several else rng.integers(0, classes, 40)
    answers(truth, rng.random((40, classes)), names, tmp_path / "a.svg", "--valid", several=several)
    said = (tmp_path / "a.svg").read_text()
    assert ("yes, said no" in said) == several
    assert ("_class $ 1" in said) == (classes <= 40)
    assert "\x1b" not in said


def test_a_count_stands_in_the_row_of_its_class_and_the_column_of_what_was_said(tmp_path):
    figures = np.eye(2)[[0, 1, 1, 1, 1]]
    answers(np.array([0, 0, 0, 1, 1]), figures, ["x", "y"], tmp_path / "a.svg", "--valid", several=False)
    words = [line.partition(">")[2].partition("<")[0] for line in (tmp_path / "a.svg").read_text().splitlines()
             if line.lstrip().startswith("<text")]  # fmt: skip
    written = [word for word in words if word.isdigit()]
    assert written == ["1", "2", "0", "2"]


def test_curves_with_and_without_valid_and_of_one_step(tmp_path):
    rows = [{"step": step, "loss_nats": 1 / step} for step in range(1, 400)]
    loss_curves(pd.DataFrame(rows), "loss_nats", "valid_loss_nats", tmp_path / "a.svg")
    assert ">nats<" in (tmp_path / "a.svg").read_text()
    assert "kept" not in (tmp_path / "a.svg").read_text()
    rows.append({"step": 399, "valid_loss_nats": 0.3})
    loss_curves(pd.DataFrame(rows), "loss_nats", "valid_loss_nats", tmp_path / "b.svg")
    assert "kept" in (tmp_path / "b.svg").read_text()
    loss_curves(pd.DataFrame(rows[:1]), "loss_nats", "valid_loss_nats", tmp_path / "c.png")


@pytest.mark.parametrize("n", [1, 500])
def test_numbers_are_scattered(tmp_path, n):
    truth = np.linspace(-1, 1, n)
    predictions(truth, truth**2, "expression", tmp_path / "a.svg", "--valid")
    assert "predicted expression" in (tmp_path / "a.svg").read_text()
