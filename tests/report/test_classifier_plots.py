"""Pictures of classifiers: they are drawn for two classes and for hundreds, for odd names and for a single point."""

import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from genomask.report.classifier_plots import answers, loss_curves, predictions
from genomask.report.style import HUES, INK, PAPER


@pytest.mark.parametrize("classes", [2, 15, 120])
@pytest.mark.parametrize("several", [False, True])
def test_answers_are_counted_in_a_matrix(tmp_path, classes, several):
    rng = np.random.default_rng(0)
    names = [f"_class $ {number}\x1b" + "long " * (number % 9) for number in range(classes)]
    truth = rng.integers(0, 2, (40, classes)) if several else rng.integers(0, classes, 40)
    answers(truth, rng.random((40, classes)), names, tmp_path / "a.svg", "--valid", several=several)
    said = (tmp_path / "a.svg").read_text()
    assert ("yes, predicted no" in said) == several
    assert ("_class $ 1" in said) == (classes <= 40)
    assert "\x1b" not in said


def test_a_count_stands_in_the_row_of_its_class_and_the_column_of_its_prediction(tmp_path):
    figures = np.eye(2)[[0, 1, 1, 1, 1]]
    answers(np.array([0, 0, 0, 1, 1]), figures, ["x", "y"], tmp_path / "a.svg", "--valid", several=False)
    words = [line.partition(">")[2].partition("<")[0] for line in (tmp_path / "a.svg").read_text().splitlines()
             if line.lstrip().startswith("<text")]  # fmt: skip
    written = [word for word in words if word.isdigit()]
    assert written == ["1", "2", "0", "2"]


def _luminance(colour):
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in to_rgb(colour)]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


@pytest.mark.parametrize("ours", [50, 80, 90, 100])
def test_a_count_is_written_in_the_colour_that_contrasts_more_with_its_cell(tmp_path, ours):
    figures = np.eye(2)[np.r_[np.zeros(ours, int), np.ones(100 - ours, int)]]
    truth = np.zeros(100, dtype=int)
    answers(truth, figures, ["x", "y"], tmp_path / "a.svg", "--valid", several=False)
    (style,) = re.findall(rf'<text style="([^"]*)"[^>]*>{ours}</text>', (tmp_path / "a.svg").read_text())[:1]
    cell = _luminance(ours / 100 * np.array(to_rgb(HUES["blue"])) + (1 - ours / 100))
    contrast = {x: abs(np.log((_luminance(x) + 0.05) / (cell + 0.05))) for x in (PAPER, INK)}
    fill = re.search(r"fill: (#\w+)", style)
    assert (fill[1] if fill else "#000000") == max(contrast, key=contrast.get)


def test_curves_with_and_without_valid_and_of_one_step_are_drawn(tmp_path):
    rows = [{"step": step, "loss_nats": 1 / step} for step in range(1, 400)]
    loss_curves(pd.DataFrame(rows), "loss_nats", "valid_loss_nats", 0.693, tmp_path / "a.svg")
    assert ">nats<" in (tmp_path / "a.svg").read_text()
    assert "kept" not in (tmp_path / "a.svg").read_text()
    rows.append({"step": 399, "valid_loss_nats": 0.3})
    loss_curves(pd.DataFrame(rows), "loss_nats", "valid_loss_nats", 0.693, tmp_path / "b.svg")
    assert all(word in (tmp_path / "b.svg").read_text() for word in ("kept", "constant guess"))
    loss_curves(pd.DataFrame(rows[:1]), "loss_nats", "valid_loss_nats", 0.693, tmp_path / "c.png")


@pytest.mark.parametrize("n", [1, 500])
def test_numbers_are_scattered(tmp_path, n):
    truth = np.linspace(-1, 1, n)
    predictions(truth, truth**2, "expression", tmp_path / "a.svg", "--valid")
    assert "predicted expression" in (tmp_path / "a.svg").read_text()
