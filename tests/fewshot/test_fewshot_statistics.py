import numpy as np
import pandas as pd
import pytest
from scipy import stats

from genomask.fewshot.statistics import (
    compare_arms,
    compare_cells,
    holm,
    mean_interval,
    paired_by_seed,
    paired_over_draws,
    seed_scores,
)


def results_of(scores: dict, draws: int = 2) -> pd.DataFrame:
    """Rows from {(strategy, seed, task, shot): mean accuracy}; the draws lie evenly around the mean."""
    rows = [
        {
            "strategy": key[0],
            "pretraining_seed": key[1],
            "task": key[2],
            "shot": key[3],
            "draw": draw,
            "method": "probe",
        }
        | {"accuracy": mean + 0.01 * (draw - (draws - 1) / 2)}
        for key, mean in scores.items()
        for draw in range(draws)
    ]
    return pd.DataFrame(rows)


def test_the_interval_is_scipys():
    values = np.array([0.61, 0.64, 0.60, 0.66, 0.63])
    interval = mean_interval(values)
    low, high = stats.t.interval(0.95, 4, loc=values.mean(), scale=stats.sem(values))
    assert (interval.mean - interval.half_width, interval.mean + interval.half_width) == pytest.approx((low, high))


@pytest.mark.parametrize(("values", "mean", "n"), [([0.7], 0.7, 1), ([], np.nan, 0), ([0.7, np.nan], 0.7, 1)])
def test_fewer_than_two_values_have_no_interval(values, mean, n):
    interval = mean_interval(np.array(values))
    assert interval.mean == pytest.approx(mean, nan_ok=True)
    assert np.isnan(interval.half_width)
    assert interval.n == n


def test_equal_values_have_an_interval_of_zero():
    assert mean_interval(np.full(5, 0.5)).half_width == 0


def test_the_paired_test_is_scipys():
    arm, control = {1: 0.62, 2: 0.66, 3: 0.61, 4: 0.7}, {1: 0.60, 2: 0.65, 3: 0.62, 4: 0.66}
    result = paired_by_seed(arm, control)
    expected = stats.ttest_rel(list(arm.values()), list(control.values()))
    low, high = expected.confidence_interval(0.95)
    assert result.p == pytest.approx(expected.pvalue)
    assert (result.difference - result.half_width, result.difference + result.half_width) == pytest.approx((low, high))
    assert (result.n, result.note) == (4, "")


@pytest.mark.parametrize(("n", "words"), [(0, "0 seeds"), (1, "1 seed"), (2, "2 seeds")])
def test_fewer_than_three_seeds_are_not_tested(n, words):
    result = paired_by_seed({seed: 0.6 + seed / 10 for seed in range(n)}, dict.fromkeys(range(n), 0.5))
    assert result.note == f"not tested: {words}"
    assert np.isnan([result.half_width, result.p]).all()


def test_a_seed_missing_in_one_arm_is_left_out_and_reported():
    arm = {1: 0.62, 2: 0.66, 3: 0.61, 4: 0.9, 5: np.nan}
    control = {1: 0.60, 2: 0.65, 3: 0.62, 5: 0.1}
    result = paired_by_seed(arm, control)
    assert result.note == "left out: seed 4, 5"
    assert result.n == 3
    assert result.difference == pytest.approx(0.02 / 3)


def test_differences_without_spread_are_not_tested():
    result = paired_by_seed({1: 0.6, 2: 0.7, 3: 0.8}, {1: 0.5, 2: 0.6, 3: 0.7})
    assert result.note == "not tested: the same difference for all 3 seeds"
    assert result.difference == pytest.approx(0.1)
    assert np.isnan(result.p)


def test_two_checkpoints_are_paired_over_their_common_draws():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.7, 0.02, 20), rng.normal(0.69, 0.02, 20)
    result = paired_over_draws(dict(enumerate(a)), dict(enumerate(b)))
    assert result.p == pytest.approx(stats.ttest_rel(a, b).pvalue)
    assert paired_over_draws({0: 0.5}, {0: 0.6}).note == "not tested: 1 draw"
    two = paired_over_draws({0: 0.5, 1: 0.7}, {0: 0.6, 1: 0.6})
    assert (two.note, two.half_width) == ("", pytest.approx(12.7062 * 0.1, rel=1e-4))


def test_holm_corrects_a_hand_made_family():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.9, 0.8]), [1, 1])


def test_holm_leaves_untested_cells_out_of_the_family():
    np.testing.assert_allclose(holm([0.02, np.nan, 0.03]), [0.04, np.nan, 0.04])
    assert np.isnan(holm([np.nan])).all()
    assert len(holm([])) == 0


def test_the_primary_test_averages_over_tasks_and_shots_first():
    cells = [("a", 10), ("a", 50), ("b", 10)]
    gains = {1: (0.03, 0.0, 0.03), 2: (0.0, 0.01, 0.02), 3: (0.06, 0.0, 0.0)}
    scores = {("control", seed, *cell): 0.5 + seed / 100 for seed in gains for cell in cells}
    scores |= {
        ("arm", seed, *cell): 0.5 + seed / 100 + gain
        for seed, row in gains.items()
        for cell, gain in zip(cells, row, strict=True)
    }
    table = compare_arms(results_of(scores), "control", "probe")
    assert table["strategy"].tolist() == ["arm"]
    averaged = [np.mean(row) for row in gains.values()]
    assert table["difference"][0] == pytest.approx(np.mean(averaged))
    assert table["p"][0] == pytest.approx(stats.ttest_1samp(averaged, 0).pvalue)
    single = compare_cells(results_of(scores), "control", "probe")
    assert list(zip(single["task"], single["shot"], strict=True)) == cells
    assert single["p_holm"].min() >= single["p"].min()


def test_a_seed_that_lacks_one_cell_is_left_out_of_the_primary_test_only():
    scores = {
        (arm, seed, "a", shot): 0.5 + bonus + seed * shot / 1e4 * (1 + bonus)
        for arm, bonus in (("control", 0.0), ("arm", 0.05))
        for seed in (1, 2, 3, 4)
        for shot in (10, 50)
    }
    del scores["arm", 4, "a", 50]
    results = results_of(scores)
    primary = compare_arms(results, "control", "probe").iloc[0]
    assert (primary["n"], primary["note"]) == (3, "left out: seed 4")
    assert compare_cells(results, "control", "probe")["n"].tolist() == [4, 3]


def test_a_cell_with_fewer_draws_than_another_arm_counts_as_missing():
    scores = {(arm, seed, "a", 10): 0.5 for arm in ("control", "arm") for seed in (1, 2, 3)}
    results = results_of(scores)
    table = seed_scores(results.drop(index=0), "probe", "accuracy")
    assert np.isnan(table.loc[("control", 1)].item())
    assert table.notna().sum().item() == 5


def test_cells_may_differ_in_their_number_of_draws():
    scores = {(arm, seed, "a", 10): 0.5 for arm in ("control", "arm") for seed in (1, 2, 3)}
    whole = {(arm, seed, "a", 100): 0.6 for arm, seed, *_ in scores}  # all of the pool: one draw
    table = seed_scores(pd.concat([results_of(scores, draws=3), results_of(whole, draws=1)]), "probe", "accuracy")
    assert table.loc[("arm", 2)].to_dict() == pytest.approx({("a", 10): 0.5, ("a", 100): 0.6})
    assert table.notna().all(axis=None)


def test_each_method_is_tested_by_its_own_scores():
    scores = {(arm, seed, "a", 10): 0.5 + seed / 100 for arm in ("control", "arm") for seed in (1, 2, 3)}
    better = results_of({key: score + 0.2 * (key[0] == "arm") for key, score in scores.items()})
    results = pd.concat([results_of(scores), better.assign(method="finetune")])
    assert compare_arms(results, "control", "probe")["difference"][0] == pytest.approx(0)
    assert compare_cells(results, "control", "finetune")["difference"][0] == pytest.approx(0.2)


def test_without_the_control_nothing_is_tested():
    scores = {("arm", seed, "a", 10): 0.5 + seed / 10 for seed in (1, 2, 3)}
    assert compare_arms(results_of(scores), "control", "probe")["note"][0].startswith("not tested: 0 seeds")


@pytest.mark.slow
def test_seeds_keep_the_promised_error_rate_where_pooled_draws_do_not():
    """Two equal recipes; seeds spread by half a point, draws by two points: 5 seeds, 20 draws."""
    rng = np.random.default_rng(0)
    found_by_seed = found_by_draw = 0
    for _ in range(400):
        draws = rng.normal(0, 0.02, 20)  # the examples drawn are the same for both arms
        own = rng.normal(0, 0.005, (2, 5, 1)) + draws + rng.normal(0, 0.002, (2, 5, 20))
        arm, control = (dict(enumerate(scores.mean(axis=1))) for scores in own)
        found_by_seed += paired_by_seed(arm, control).p < 0.05
        found_by_draw += stats.ttest_rel(*own.reshape(2, -1)).pvalue < 0.05
    assert 8 <= found_by_seed <= 34  # 5 % of 400, three standard errors either side
    assert found_by_draw > 120
