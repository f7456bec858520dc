import numpy as np
import pandas as pd
import pytest

from genomask.fewshot.floors import Guess
from genomask.fewshot.metrics import METRICS
from genomask.fewshot.summary import FEW_CAPTION, INTERVAL_CAPTION, OVERLAP_CAPTION, SEEDS_CAPTION, captions, summarise


def rows(method: str, shot: int, accuracies: list[float]) -> list[dict]:
    key = {"model": "m", "strategy": "genemask", "pretraining_seed": 1, "task": "toy", "shot": shot, "method": method}
    return [
        key | {"draw": draw, "n_train": 2 * shot, "n_test": 400} | dict.fromkeys(METRICS, accuracy)
        for draw, accuracy in enumerate(accuracies)
    ]


@pytest.fixture
def summary() -> pd.DataFrame:
    results = pd.DataFrame(
        rows("probe", 10, [0.6, 0.7, 0.8]) + rows("probe", 50, [0.9]) + rows("finetune", 20, [0.5] * 3)
    )
    return summarise(results, {"toy": 50})


def test_each_group_has_one_row_with_its_interval(summary):
    assert list(zip(summary["method"], summary["shot"], strict=True)) == [
        ("probe", 10),
        ("probe", 50),
        ("finetune", 20),
    ]
    assert summary["n_draws"].tolist() == [3, 1, 3]
    assert summary["accuracy"].tolist() == pytest.approx([0.7, 0.9, 0.5])
    assert summary["mcc_half_width"][0] == pytest.approx(4.302653 * 0.1 / np.sqrt(3))


def test_one_draw_of_the_whole_pool_has_no_interval_and_no_overlap(summary):
    assert np.isnan(summary["accuracy_half_width"][1])
    assert summary["draws_overlap"].tolist() == [False, False, True]


def test_the_test_sets_own_error_is_binomial(summary):
    assert summary["accuracy_test_error"][2] == pytest.approx(0.025)


def test_captions_say_what_the_intervals_mean_and_what_guessing_gets(summary):
    lines = captions(summary, {})
    assert lines[:3] == [INTERVAL_CAPTION, FEW_CAPTION, OVERLAP_CAPTION]
    assert "400 test sequences; their sampling adds a standard error of up to 2.5 points" in lines[3]
    assert OVERLAP_CAPTION not in captions(summary[~summary["draws_overlap"]], {})
    guessed = captions(summary, {"toy": Guess("b", 0.97)})[3]
    assert guessed.startswith("toy: 400 test sequences; always guessing b gets 97.0 %; their sampling adds")


@pytest.mark.parametrize(("draws", "said"), [(1, False), (2, True), (4, True), (5, False)])
def test_a_caption_says_that_few_draws_make_wide_intervals(draws, said):
    table = summarise(pd.DataFrame(rows("probe", 10, [0.5, 0.6, 0.7, 0.8, 0.9][:draws])), {"toy": 50})
    assert (FEW_CAPTION in captions(table, {})) is said


def test_the_caption_of_several_pretraining_seeds_says_that_the_interval_is_over_them(summary):
    seeds = pd.concat([summary.assign(pretraining_seed=seed) for seed in range(2)])
    assert captions(seeds, {})[0] == SEEDS_CAPTION
    assert OVERLAP_CAPTION not in captions(seeds, {})  # it speaks of intervals over draws
    assert captions(summary, {})[0] == INTERVAL_CAPTION
