from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genomask.errors import DataError, SettingsError
from genomask.fewshot.draws import (
    align_classes,
    check_pool,
    draw_examples,
    draws_overlap,
    number_of_draws,
    smallest_class,
)
from genomask.fewshot.finetune import FineTuneSettings
from genomask.fewshot.protocol import FewShotSettings

LABELS = np.tile([0, 1, 2, 1], 25)


@settings(deadline=None, max_examples=30)
@given(shot=st.integers(1, 25), draw=st.integers(0, 1000), name=st.text(max_size=10))
def test_a_draw_takes_k_of_each_class_and_none_twice(shot, draw, name):
    rows = draw_examples(LABELS, shot, name, draw)
    assert len(set(rows.tolist())) == 3 * shot
    assert np.bincount(LABELS[rows]).tolist() == [shot] * 3


def test_a_draw_is_the_same_on_every_machine_and_run():
    assert draw_examples(LABELS, 2, "Prom-core", 0).tolist() == [72, 76, 47, 73, 34, 78]


def test_draws_depend_on_task_shot_and_draw():
    draws = [draw_examples(LABELS, 5, name, draw).tolist() for name in ("a", "b") for draw in range(10)]
    draws.append(draw_examples(LABELS, 6, "a", 0)[:5].tolist())
    assert len({tuple(sorted(rows)) for rows in draws}) == len(draws)


def test_every_row_of_the_pool_is_drawn_about_equally_often():
    drawn = np.concatenate([draw_examples(LABELS, 5, "task", draw) for draw in range(2000)])
    of_class_0 = np.bincount(drawn, minlength=100)[LABELS == 0]
    assert abs(of_class_0 - 400).max() < 5 * np.sqrt(400)


def test_a_shot_that_takes_all_of_every_class_is_drawn_once(pool):
    even, uneven = (replace(pool, labels=np.repeat([0, 1], sizes)) for sizes in ([20, 20], [200, 20]))
    assert number_of_draws(even, shot=20, draws=20) == 1
    assert number_of_draws(even, shot=19, draws=20) == 20
    assert number_of_draws(uneven, shot=20, draws=20) == 20
    assert draws_overlap(smallest_class(uneven), shot=20, n_draws=20)


@pytest.mark.parametrize(("shot", "overlap"), [(10, False), (50, False), (51, True), (500, True), (1000, True)])
def test_draws_that_need_more_than_the_pool_are_flagged(shot, overlap):
    assert draws_overlap(smallest_class=1000, shot=shot, n_draws=20) is overlap
    assert not draws_overlap(smallest_class=1000, shot=shot, n_draws=1)
    assert not draws_overlap(smallest_class=1000, shot=shot, n_draws=20, whole=True)


def test_too_few_of_a_class_are_reported_with_its_name_and_number(pool):
    labels = np.array([0] * 5 + [1])
    small = replace(pool, labels=labels, classes=["other", "enhancr"])
    with pytest.raises(DataError, match=r"pool.tsv: label 'enhancr' appears once; 10-shot needs 10 of each. Labels fo"):
        check_pool(small, (10,))
    check_pool(pool, (12,))
    assert smallest_class(pool) == 12
    with pytest.raises(DataError, match="label 'gc' appears 0 times"):
        check_pool(replace(pool, labels=np.zeros(24, dtype=np.int64)), ())


def test_labels_of_the_test_are_numbered_as_in_the_pool(pool):
    test = replace(pool, classes=["gc", "at"])
    assert align_classes(pool, test).tolist() == (1 - pool.labels).tolist()
    with pytest.raises(DataError, match="label 'cg' is not in the training file"):
        align_classes(pool, replace(pool, classes=["at", "cg"]))


def names_of(settings):
    return [method.name for method in settings.measured]


def test_random_init_stands_for_the_twin_of_each_method_asked():
    assert names_of(FewShotSettings()) == [
        "kmer-logreg",
        "probe",
        "random-init/probe",
        "probe-layers",
        "random-init/probe-layers",
        "finetune",
        "random-init/finetune",
    ]
    assert names_of(FewShotSettings(methods=("random-init", "probe"))) == ["probe", "random-init/probe"]
    assert names_of(FewShotSettings(methods=("finetune",))) == ["finetune"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"shots": ()},
        {"shots": (10, 10)},
        {"shots": (0,)},
        {"draws": 0},
        {"methods": ("majority",)},
        {"methods": ("random-init", "kmer-logreg")},
    ],
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(SettingsError):
        FewShotSettings(**wrong)


@pytest.mark.parametrize("wrong", [{"learning_rate": "fast"}, {"epochs": 0}])
def test_settings_of_fine_tuning_out_of_range_are_refused(wrong):
    with pytest.raises(SettingsError, match="'auto', or above 0"):
        FineTuneSettings(**wrong)
