"""Printed figures are code too: what the tables and sentences show for known numbers."""

import numpy as np
import pandas as pd
import pytest

from genomask.report.frames import fewshot_frame, over_seeds, plus_minus, verdict_frame, verdict_sentence


def row_of(table, strategy, method, shot=10):
    at = (table["strategy"] == strategy) & (table["method"] == method) & (table["shot"] == shot)
    assert at.sum() == 1
    return table[at].iloc[0]


def test_three_seeds_become_one_row_with_an_interval_over_seeds(summary):
    row = row_of(over_seeds(summary), "genemask", "probe")
    assert row["accuracy"] == pytest.approx(0.96 + 10 / 2500 + 0.01)
    assert row["half_width"] == pytest.approx(4.302653 * 0.01 / np.sqrt(3), rel=1e-5)  # t with 2 degrees of freedom


def test_two_seeds_have_no_interval_and_one_seed_keeps_that_over_draws(summary):
    two = over_seeds(summary[summary["pretraining_seed"] < 2])
    assert np.isnan(row_of(two, "genemask", "probe")["half_width"])
    one = over_seeds(summary[summary["pretraining_seed"] == 0])
    assert row_of(one, "genemask", "probe")["half_width"] == 0.02


def test_a_floor_counts_once_however_many_arms_and_seeds_measured_it(summary):
    table = over_seeds(summary)
    kmers = row_of(table, "-", "kmer-logreg")
    assert kmers["half_width"] == 0.02  # of its draws
    assert row_of(table, "-", "random-init/probe")["half_width"] == pytest.approx(
        4.302653 * 0.01 / np.sqrt(3), rel=1e-5
    )


def test_seeds_that_score_alike_all_count(summary):
    same = summary.assign(accuracy=0.9)
    assert row_of(over_seeds(same), "genemask", "probe")["half_width"] == 0


def test_the_fewshot_table_has_a_column_per_shot_and_the_floors_last_in_each_task(summary):
    table = fewshot_frame(pd.concat([summary, summary.assign(task="other")]))
    assert list(table.columns) == ["task", "strategy", "method", "10 shots", "50 shots"]
    assert list(table["task"]) == ["kinds"] * 7 + ["other"] * 7
    assert list(table["strategy"][:7]) == ["random-span", "random-span", "genemask", "genemask", "-", "-", "-"]
    assert table["10 shots"][4] == "82.4 ± 2.0"


def test_one_shot_is_singular(summary):
    assert "1 shot" in fewshot_frame(summary.assign(shot=summary["shot"].replace({10: 1})))


def test_a_shot_that_a_task_lacks_leaves_its_cell_empty(summary):
    other = summary[summary["shot"] == 50].assign(task="other")
    assert fewshot_frame(pd.concat([summary, other]))["10 shots"].iloc[-1] == ""


def test_the_verdict_table_puts_the_control_first_and_gives_points_and_p(verdict, arms):
    table = verdict_frame(verdict, arms, "random-span")
    assert list(table["masking"]) == ["random-span", "genemask"]
    assert list(table["points above random-span"]) == ["the control", "+1.3 [+0.4, +2.2], p 0.012, 3 seeds"]
    assert list(table["bases hidden"]) == ["6.61 %", "6.64 %"]


def test_an_arm_that_lacks_a_seed_says_so_and_shows_the_control_at_the_others(verdict, arms):
    verdict = verdict.assign(note=["left out: seed 1", "", ""])
    arms["control_accuracy"] = [0.98, 0.94]
    row = verdict_frame(verdict, arms.assign(accuracy=[0.993, 0.94]), "random-span").iloc[1]
    assert row["accuracy, %"] == "99.3 (the control there: 98.0)"
    assert row["points above random-span"] == "+1.3 [+0.4, +2.2], p 0.012, 3 seeds, left out: seed 1"


def test_an_arm_that_shares_no_seed_with_the_control_has_no_accuracy(verdict, arms):
    arms.loc[0, ["accuracy", "control_accuracy"]] = np.nan
    assert verdict_frame(verdict, arms, "random-span")["accuracy, %"].tolist() == ["94.0", ""]


def test_the_sentence_names_what_differs_what_was_not_shown_and_what_was_not_tested(verdict):
    assert verdict_sentence(verdict, "random-span", "probe") == (
        "By probe, genemask beats random-span: +1.3 [+0.4, +2.2], p 0.012, 3 seeds; "
        "contiguous falls behind random-span: −2.1 [−3.3, −0.9], p < 0.001, 3 seeds "
        "(points of accuracy, p after Holm). Not tested: uniform (−6.0, 2 seeds)."
    )


def test_where_no_difference_was_shown_the_sentence_begins_with_that(verdict):
    same = verdict.assign(p_holm=[0.4, 0.4, np.nan])
    assert verdict_sentence(same, "random-span", "knn") == (
        "By knn, no difference from random-span was shown for genemask, contiguous (points of accuracy, p after Holm). "
        "Not tested: uniform (−6.0, 2 seeds)."
    )


def test_with_two_seeds_the_sentence_claims_nothing(verdict):
    assert verdict_sentence(verdict[verdict["strategy"] == "uniform"], "random-span", "probe") == (
        "By probe, no difference from random-span was tested. Points of accuracy seen above it: "
        "uniform −6.0, not tested: 2 seeds."
    )


def test_an_accuracy_without_an_interval_stands_alone():
    assert plus_minus(0.9789, 0.0052) == "97.9 ± 0.5"
    assert plus_minus(0.9789, float("nan")) == "97.9"
