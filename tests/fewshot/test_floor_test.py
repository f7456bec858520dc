"""Each pretrained method against the best floor of its cell: what is paired, and what is not tested."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from genomask.fewshot.floor_test import against_floors
from genomask.fewshot.floors import Guess
from genomask.fewshot.statistics import mean_interval

DRAWS = np.array([0.00, 0.02, 0.05, 0.01])


def rows(strategy, seed, method, accuracies, shot=10):
    cell = {"strategy": strategy, "pretraining_seed": seed, "task": "toy", "shot": shot, "method": method}
    return [cell | {"draw": draw, "accuracy": accuracy} for draw, accuracy in enumerate(accuracies)]


def floors(seed=0, shot=10):
    kmers = rows("none", -1, "kmer-logreg", 0.60 + DRAWS, shot)
    return kmers + rows("genemask", seed, "random-init/probe", 0.55 + DRAWS, shot)


def test_the_best_floor_is_paired_draw_by_draw_with_the_model():
    gains = np.array([0.03, 0.01, 0.04, 0.02])
    table = against_floors(pd.DataFrame(floors() + rows("genemask", 0, "probe", 0.60 + DRAWS + gains)), {})
    [row] = table.to_dict("records")
    assert (row["floor"], row["unit"], row["n"]) == ("kmer-logreg", "draw", 4)
    assert row["accuracy"] - row["floor_accuracy"] == pytest.approx(row["difference"]) == pytest.approx(gains.mean())
    assert row["half_width"] == pytest.approx(mean_interval(gains).half_width)  # pairing removes the draws' own spread


def test_the_best_floor_may_differ_between_shots():
    more = rows("genemask", 0, "random-init/probe", 0.70 + DRAWS, 50) + rows("none", -1, "kmer-logreg", DRAWS, 50)
    probes = rows("genemask", 0, "probe", DRAWS, 10) + rows("genemask", 0, "probe", DRAWS, 50)
    table = against_floors(pd.DataFrame(floors() + more + probes), {})
    assert dict(zip(table["shot"], table["floor"], strict=True)) == {10: "kmer-logreg", 50: "random-init/probe"}


def test_one_draw_has_a_difference_and_no_interval():
    table = against_floors(pd.DataFrame(rows("none", -1, "kmer-logreg", [0.6]) + rows("a", 0, "probe", [0.7])), {})
    assert table["difference"].tolist() == [pytest.approx(0.1)]
    assert table["half_width"].isna().all()
    assert table["note"].tolist() == ["not tested: 1 draw"]


def test_with_three_seeds_the_unit_is_the_seed():
    gains = {0: 0.03, 1: 0.05, 2: 0.04}
    own = [row for seed, gain in gains.items() for row in rows("a", seed, "probe", 0.60 + DRAWS + gain)]
    table = against_floors(pd.DataFrame(floors() + own), {})
    assert (table["unit"][0], table["n"][0]) == ("seed", 3)
    assert table["half_width"][0] == pytest.approx(mean_interval(np.array(list(gains.values()))).half_width)


def test_two_seeds_are_averaged_and_their_draws_paired():
    own = rows("a", 0, "probe", 0.7 + DRAWS) + rows("a", 1, "probe", 0.8 + 2 * DRAWS)
    table = against_floors(pd.DataFrame(rows("none", -1, "kmer-logreg", 0.60 + DRAWS) + own), {})
    assert (table["unit"][0], table["n"][0]) == ("draw", 4)
    assert table["difference"][0] == pytest.approx(0.15 + 0.5 * DRAWS.mean())


def test_a_draw_that_only_the_floor_has_is_left_out_and_named():
    table = against_floors(pd.DataFrame(floors() + rows("a", 0, "probe", 0.7 + np.array([0.0, 0.1, 0.2]))), {})
    assert table["n"][0] == 3
    assert "left out: draw 3" in table["note"][0]


def test_without_a_floor_nothing_is_compared():
    assert against_floors(pd.DataFrame(rows("a", 0, "probe", DRAWS)), {}).empty


def test_always_guessing_is_a_floor_where_others_were_measured():
    probe = rows("genemask", 0, "probe", 0.90 + DRAWS)
    guesses = {"toy": Guess("b", 0.97)}
    [row] = against_floors(pd.DataFrame(floors() + probe), guesses).to_dict("records")
    assert (row["floor"], row["floor_accuracy"]) == ("always guessing b", 0.97)
    assert row["difference"] == pytest.approx(0.90 + DRAWS.mean() - 0.97)
    assert against_floors(pd.DataFrame(probe), guesses).empty


def test_accuracies_are_of_the_seeds_that_are_paired_and_the_others_are_named():
    own = [row for seed in range(4) for row in rows("a", seed, "probe", 0.70 + DRAWS + 0.01 * seed)]
    three = [row for seed in (1, 2, 3) for row in rows("c", seed, "random-init/probe", 0.6 + DRAWS - seed**2 / 1000)]
    [row] = against_floors(pd.DataFrame(own + three), {}).to_dict("records")
    assert (row["unit"], row["n"], row["note"]) == ("seed", 3, "left out: seed 0")
    assert row["accuracy"] - row["floor_accuracy"] == pytest.approx(row["difference"])
    [row] = against_floors(pd.DataFrame(own + three[:4]), {}).to_dict("records")
    assert (row["unit"], row["n"], row["accuracy"]) == ("draw", 4, pytest.approx(0.71 + DRAWS.mean()))
    assert row["note"] == "not tested: the same difference for all 4 draws; left out: seed 0, 2, 3"


def test_a_floor_that_shares_no_seed_has_no_difference():
    own, other = rows("a", 1, "probe", DRAWS), rows("c", 0, "random-init/probe", DRAWS)
    [row] = against_floors(pd.DataFrame(own + other), {}).to_dict("records")
    assert np.isnan(row["difference"])
    assert row["note"] == "not tested: 0 draws; left out: seed 1"


def test_the_best_floor_is_chosen_by_the_seeds_and_draws_that_the_model_has():
    kmers, own = rows("none", -1, "kmer-logreg", 0.60 + DRAWS), rows("a", 0, "probe", 0.7 + DRAWS)
    elsewhere = rows("c", 1, "random-init/probe", 0.9 + DRAWS)  # of another seed: cannot be paired
    assert against_floors(pd.DataFrame(kmers + elsewhere + own), {})["floor"].tolist() == ["kmer-logreg"]
    more = rows("a", 0, "random-init/probe", [0.55, 0.55, 0.55, 0.99])  # best only by a draw that the model lacks
    assert against_floors(pd.DataFrame(kmers + more + own[:3]), {})["floor"].tolist() == ["kmer-logreg"]


def test_a_draw_that_one_of_two_seeds_lacks_is_not_taken_from_the_other_alone():
    own = rows("a", 0, "probe", 0.7 + DRAWS) + rows("a", 1, "probe", 0.8 + 2 * DRAWS[:3])
    [row] = against_floors(pd.DataFrame(rows("none", -1, "kmer-logreg", 0.60 + DRAWS) + own), {}).to_dict("records")
    assert (row["n"], row["note"]) == (3, "left out: draw 3")
    assert row["difference"] == pytest.approx(0.15 + 0.5 * DRAWS[:3].mean())


def test_the_bonferroni_interval_counts_the_floors_that_the_best_was_chosen_from():
    probe = rows("genemask", 0, "probe", 0.60 + DRAWS + np.array([0.03, 0.01, 0.04, 0.02]))
    [row] = against_floors(pd.DataFrame(floors() + probe), {}).to_dict("records")
    wider = stats.t.ppf(1 - 0.025 / 2, 3) / stats.t.ppf(1 - 0.025, 3)
    assert row["half_width_bonferroni"] / row["half_width"] == pytest.approx(wider)
    three = {"toy": Guess("b", 0.5)}
    [row] = against_floors(pd.DataFrame(floors() + probe), three).to_dict("records")
    wider = stats.t.ppf(1 - 0.025 / 3, 3) / stats.t.ppf(1 - 0.025, 3)
    assert row["half_width_bonferroni"] / row["half_width"] == pytest.approx(wider)
