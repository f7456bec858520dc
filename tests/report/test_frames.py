"""Printed figures are code too: what the tables and sentences say of known numbers."""

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
    assert row["n_seeds"] == 3


def test_two_seeds_have_no_interval_and_one_seed_keeps_that_over_draws(summary):
    two = over_seeds(summary[summary["pretraining_seed"] < 2])
    assert np.isnan(row_of(two, "genemask", "probe")["half_width"])
    one = over_seeds(summary[summary["pretraining_seed"] == 0])
    assert row_of(one, "genemask", "probe")["half_width"] == 0.02


def test_a_floor_counts_once_however_many_arms_and_seeds_measured_it(summary):
    table = over_seeds(summary)
    kmers = row_of(table, "-", "kmer-logreg")
    assert kmers["n_seeds"] == 1
    assert kmers["half_width"] == 0.02
    assert row_of(table, "-", "random-init/probe")["n_seeds"] == 3


def test_two_seeds_that_score_alike_both_count(summary):
    same = summary.assign(accuracy=0.9)
    assert row_of(over_seeds(same), "genemask", "probe")["n_seeds"] == 3


def test_the_fewshot_table_has_a_column_a_shot_and_the_floors_last_in_each_task(summary):
    table = fewshot_frame(pd.concat([summary, summary.assign(task="other")]))
    assert list(table.columns) == ["task", "strategy", "method", "10 shots", "50 shots"]
    assert list(table["task"]) == ["kinds"] * 7 + ["other"] * 7
    assert list(table["strategy"][:7]) == ["random-span", "random-span", "genemask", "genemask", "-", "-", "-"]
    assert table["10 shots"][4] == "82.4 ± 2.0"


def test_one_shot_is_one(summary):
    assert "1 shot" in fewshot_frame(summary.assign(shot=summary["shot"].replace({10: 1})))


def test_a_shot_that_a_task_lacks_leaves_its_cell_empty(summary):
    other = summary[summary["shot"] == 50].assign(task="other")
    assert fewshot_frame(pd.concat([summary, other]))["10 shots"].iloc[-1] == ""


def test_the_verdict_table_puts_the_control_first_and_says_points_and_p(verdict, arms):
    table = verdict_frame(verdict, arms, "random-span")
    assert list(table["masking"]) == ["random-span", "genemask"]
    assert list(table["points above random-span"]) == ["the control", "+1.3 [+0.4, +2.2], p 0.012"]
    assert list(table["bases hidden"]) == ["6.61 %", "6.64 %"]


def test_the_sentence_names_what_differs_and_what_was_not_shown(verdict):
    assert verdict_sentence(verdict, "random-span") == (
        "genemask beats random-span: +1.3 [+0.4, +2.2], p 0.012; "
        "contiguous falls behind random-span: −2.1 [−3.3, −0.9], p < 0.001; "
        "no difference to random-span was shown for uniform (points of accuracy, p after Holm)."
    )


def test_where_nothing_was_shown_the_sentence_begins_with_that(verdict):
    same = verdict[verdict["strategy"] != "uniform"].assign(p_holm=0.4)
    assert verdict_sentence(same, "random-span").startswith("No difference to random-span was shown for ")


def test_with_two_seeds_the_sentence_claims_nothing(verdict):
    assert verdict_sentence(verdict[verdict["strategy"] == "uniform"], "random-span") == (
        "No difference to random-span was tested. Points of accuracy seen above it: uniform −6.0, not tested: 2 seeds."
    )


def test_an_accuracy_without_an_interval_stands_alone():
    assert plus_minus(0.9789, 0.0052) == "97.9 ± 0.5"
    assert plus_minus(0.9789, float("nan")) == "97.9"
