"""benchmarks/probe.py: accuracy is measured on rows that the draw left, and few rows mean few shots."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from genomask.data.tasks import LabelledTask
from genomask.errors import DataError, SettingsError

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
LABELS = np.array([0, 1] * 60)


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("probe")


@pytest.fixture
def task():
    return LabelledTask("toy", ["ACGT"] * len(LABELS), LABELS, ["a", "b"], Path("toy.tsv"))


def test_features_that_separate_the_classes_score_100_under_every_penalty(benchmark, task):
    features = (LABELS * 2.0 - 1)[:, None]
    classifiers = {**benchmark.of_one_layer("probe"), **benchmark.of_every_layer(1)}
    rows = benchmark.measured(task, features, "an encoder", classifiers, draws=2)
    assert [row["penalty"] for row in rows] == [
        *(f"C = {c:g}" for c in (10, 1, 0.1, 0.03, 0.01, 0.003)),
        benchmark.BY_VALIDATION,
        *(f"every layer, C = {v:g} / F" for v in (800, 80, 8, 0.8)),
    ]
    assert [*benchmark.asked(classifiers, ["C = 1"])] == ["C = 1"]
    for row in rows:
        assert row["10_shots"] == row["mean"] == 100
        assert "50_shots" not in row  # 60 of each class: half of 100 would be left


def test_rows_that_were_trained_on_are_not_scored(benchmark, task):
    class Memory:
        def fit(self, features, labels):
            self.seen = set(features[:, 0].tolist())
            return self

        def predict(self, features):
            assert self.seen.isdisjoint(features[:, 0].tolist())
            assert len(features) == 2 * 50
            return np.zeros(len(features), dtype=int)

    features = np.arange(len(LABELS), dtype=float)[:, None]
    assert benchmark.accuracy(task, features, np.arange(20), Memory()) == 0.5


def test_the_floor_is_always_measured_with_the_penalty_of_few_shot(benchmark):
    assert [*benchmark.of_floor(["every layer, C = 8 / F"])] == ["C = 10"]
    assert [*benchmark.of_floor(["C = 1"])] == ["C = 10", "C = 1"]
    assert benchmark.of_floor([]).keys() == benchmark.of_one_layer(benchmark.FLOOR).keys()


def test_a_wrong_option_or_a_small_pool_is_one_clear_error(benchmark, task):
    with pytest.raises(SettingsError, match=r"--penalty must be one of C = 100, .*, got 'C=1'\. Did you mean 'C = 1'"):
        benchmark.main(["pool.tsv"], ["a=b"], penalty=["C=1"])
    for slip in ("genome-fast", "=runs/fast", "genome-fast="):
        with pytest.raises(SettingsError, match=f"--model takes NAME=FOLDER, got '{slip}'"):
            benchmark.encoders([slip])
    with pytest.raises(DataError, match=r"toy\.tsv: a class has fewer than 20 rows; give a larger pool"):
        benchmark.measured(benchmark.first_rows(task, 30), np.zeros((30, 1)), "an encoder", {}, draws=1)


def test_tasks_count_equally_and_recipes_are_paired_by_seed(benchmark):
    scores = {"tiny/0": (60.0, 80.0), "tiny/1": (61.0, 80.0), "fast/0": (62.0, 80.0), "fast/1": (65.0, 80.0)}
    found = [
        {"task": task, "features": name, "penalty": "C = 1", "10_shots": 1.0, "mean": score}
        for name, of_tasks in scores.items()
        for task, score in zip("ab", of_tasks, strict=True)
    ]
    rows = benchmark.by_task(found)
    assert [row["mean_of_tasks"] for row in rows] == [70.0, 70.5, 71.0, 72.5]
    [sentence] = benchmark.verdict(rows)
    assert sentence.startswith(
        "C = 1: fast less tiny, points by seed +1.0, +2.0; mean +1.50, 95 % interval -4.85 to +7.85"
    )
    assert benchmark.verdict(rows[:3]) == []  # one seed of both is no test
    assert benchmark.verdict(rows[:2]) == []
