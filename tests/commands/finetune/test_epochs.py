"""The best epoch of a fine-tuning follows from the rows of its metrics alone."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from genomask.commands.finetune.epochs import best_epoch, constant_guess, scored_epochs
from genomask.commands.finetune.job import Scale
from genomask.data.examples import NUMBER, ONE, SEVERAL, Examples


def test_only_rows_with_a_loss_on_valid_are_epochs():
    rows = [{"step": 1, "loss_nats": 0.7}, {"step": 2, "epoch": 1, "valid_loss_nats": 0.6, "valid_accuracy": 0.5}]
    assert scored_epochs([*rows, {"step": 4, "valid_loss_nats": 0.5}]) == rows[1:]  # the last row has lost its epoch


def test_the_best_epoch_is_the_first_with_the_lowest_loss():
    losses = [0.9, 0.4, 0.6, 0.4]
    for name in ("valid_loss_nats", "valid_loss_nats_per_label", "valid_loss_fraction_of_variance"):
        assert best_epoch([{"epoch": n, name: loss} for n, loss in enumerate(losses, start=1)])["epoch"] == 2


def job_of(problem, train, valid):
    names = [str(number) for number in range(1 if problem == NUMBER else 2)]
    read = [
        SimpleNamespace(examples=Examples(Path("t.tsv"), ["ACGT"] * len(targets), problem, names, targets))
        for targets in (train, valid)
    ]
    config = SimpleNamespace(problem_type=problem, num_labels=len(names), id2label=dict(enumerate(names)))
    return SimpleNamespace(
        problem=problem,
        train=read[0],
        scored=(read[1], "--valid"),
        loaded=SimpleNamespace(model=SimpleNamespace(config=config)),
        scale=Scale(12.0, 2.0) if problem == NUMBER else Scale(),
    )


@pytest.mark.parametrize(
    ("problem", "targets", "loss", "scores"),
    [
        (ONE, np.array([0, 1, 1, 1]), 0.25 * np.log(4) + 0.75 * np.log(4 / 3), {"accuracy": 0.75, "auroc": 0.5}),
        (SEVERAL, np.array([[1.0, 0.0], [1.0, 1.0]]), np.log(2) / 2, {"accuracy": 0.5, "mcc": 0.0}),
        (NUMBER, np.array([[10.0], [14.0]]), 1.0, {"mse": 4.0}),
    ],
)
def test_a_constant_guess_gives_label_frequencies_or_the_mean_of_numbers(problem, targets, loss, scores):
    found, said = constant_guess(job_of(problem, targets, targets))
    assert found == pytest.approx(loss, abs=1e-5)
    assert {name: said[name] for name in scores} == pytest.approx(scores)


def test_a_constant_guess_knows_the_labels_of_train_alone():
    found, said = constant_guess(job_of(ONE, np.array([0, 1, 1, 1]), np.array([0, 0])))
    assert found == pytest.approx(np.log(4), abs=1e-5)
    assert said["accuracy"] == 0
