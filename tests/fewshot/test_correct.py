"""correct.csv: which test sequences were right, kept through kills, and accuracy with and without leaked ones."""

import numpy as np
import pytest

from genomask.errors import DataError
from genomask.fewshot.correct import CorrectFile, accuracy_by_leak, accuracy_by_leak_over_seeds
from genomask.fewshot.results import Cell


def cell(draw, method="probe", shot=5):
    return Cell("a, model", "span:p=0.1", 0, "task", shot, draw, method)


def some_bits(seed, n=13):
    return np.random.default_rng(seed).random(n) < 0.5


def test_rows_are_read_as_they_were_written_and_the_later_row_counts(tmp_path):
    file = CorrectFile(tmp_path)
    for draw in (0, 1):
        file.append(cell(draw), some_bits(9))
        file.append(cell(draw), some_bits(draw))
    for read in (file, CorrectFile(tmp_path)):
        found = read.of([cell(0), cell(1), cell(2)], 13)
        assert list(found) == [cell(0), cell(1)]
        for draw in (0, 1):
            np.testing.assert_array_equal(found[cell(draw)], some_bits(draw))


def test_a_torn_last_line_is_dropped_and_a_missing_file_is_empty(tmp_path):
    assert CorrectFile(tmp_path).of([cell(0)], 13) == {}
    CorrectFile(tmp_path).append(cell(0), some_bits(0))
    with (tmp_path / "correct.csv").open("a") as file:
        file.write('"a, model",span')
    torn = (tmp_path / "correct.csv").read_bytes()
    again = CorrectFile(tmp_path)
    assert (tmp_path / "correct.csv").read_bytes() == torn  # a call refused later loses nothing
    again.append(cell(1), some_bits(1))
    assert len(CorrectFile(tmp_path).of([cell(0), cell(1)], 13)) == 2


@pytest.mark.parametrize("text", ["x\n", "\n", "model,strategy,correct\na,b,00\n", "\x00\n", ""])
def test_a_file_that_was_not_written_here_is_refused(tmp_path, text):
    (tmp_path / "correct.csv").write_text(text)
    with pytest.raises(DataError, match=r"correct\.csv is missing or damaged"):
        CorrectFile(tmp_path)


def test_rows_of_another_test_set_are_refused(tmp_path):
    file = CorrectFile(tmp_path)
    file.append(cell(0), some_bits(0))
    with pytest.raises(DataError, match="damaged"):
        file.of([cell(0)], 17)


def test_accuracy_on_all_without_leaks_and_on_leaks_alone_is_that_by_hand():
    leaked = np.array([True, False, False, False])
    correct = {
        cell(0): np.array([True, True, False, False]),
        cell(1): np.array([True, True, True, False]),
        cell(0, "knn"): np.array([False, True, True, True]),
    }
    table = accuracy_by_leak(correct, leaked).set_index("method")
    np.testing.assert_allclose(table.loc["probe", ["all", "without", "alone"]].astype(float), [5 / 8, 1 / 2, 1])
    np.testing.assert_allclose(table.loc["knn", ["all", "without", "alone"]].astype(float), [3 / 4, 1, 0])
    assert table.loc["probe", "gained"] == pytest.approx(1 / 8)
    assert np.isfinite(table.loc["probe", "half_width"])
    assert np.isnan(table.loc["knn", "half_width"])


def test_where_everything_leaked_there_is_no_accuracy_without_leaks():
    table = accuracy_by_leak({cell(0): np.array([True, False])}, np.array([True, True]))
    assert table[["all", "alone"]].to_numpy().tolist() == [[0.5, 0.5]]
    assert np.isnan(table["without"][0])


def test_each_seed_counts_once_whatever_its_draws_and_floors_have_no_strategy():
    leaked = np.array([True, False, False, False])
    right = {0: [True, True, False, False], 1: [True, False, False, False], 2: [False, True, True, True]}
    correct = {}
    for seed, bits in right.items():
        for draw in range(1 + seed):
            correct[cell(draw)._replace(pretraining_seed=seed)] = np.array(bits)
        correct[cell(0, "random-init/probe")._replace(pretraining_seed=seed)] = np.array(bits)
    table = accuracy_by_leak_over_seeds(correct, leaked).set_index(["strategy", "method"])
    assert list(table.index) == [("span:p=0.1", "probe"), ("-", "random-init/probe")]
    gains = [0.5 - 1 / 3, 0.25, 0.75 - 1]
    own = table.loc[("span:p=0.1", "probe")]
    assert (own["all"], own["gained"]) == pytest.approx((0.5, np.mean(gains)))
    assert own["half_width"] == pytest.approx(4.302653 * np.std(gains, ddof=1) / 3**0.5, rel=1e-6)
    two = accuracy_by_leak_over_seeds({x: y for x, y in correct.items() if x.pretraining_seed < 2}, leaked)
    assert two["half_width"].isna().all()
