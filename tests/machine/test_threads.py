"""Threads: their number, and that their results come in order and not too far ahead."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from genomask.machine.threads import in_order, workers_for


def test_by_default_a_quarter_of_the_cores_and_at_most_four_make_batches(monkeypatch):
    found = []
    for cores in (1, 2, 8, 64):
        monkeypatch.setattr("genomask.machine.threads.usable_cores", lambda cores=cores: cores)
        found.append(workers_for(0))
    assert found == [1, 1, 2, 4]
    assert workers_for(9) == 9


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_made_ahead_come_in_order_and_are_bounded(workers):
    asked = []
    items = (asked.append(n) or n for n in range(20))
    with ThreadPoolExecutor(workers) as pool:
        for used, made in enumerate(in_order(pool, lambda n: n * n, items, workers)):
            assert made == used * used
            assert len(asked) <= used + 1 + workers
    assert used == 19


def test_an_error_comes_in_place_of_its_item():
    with ThreadPoolExecutor(2) as pool:
        found = in_order(pool, lambda n: 1 // (3 - n), range(9), 2)
        assert [next(found), next(found), next(found)] == [0, 0, 1]
        with pytest.raises(ZeroDivisionError):
            next(found)
