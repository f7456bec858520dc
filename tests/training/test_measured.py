import pytest
import torch

from genomask.training import measured
from genomask.training.measured import measured_once


@pytest.fixture
def seen(monkeypatch, tmp_path):
    """Numbers that were measured."""
    monkeypatch.setenv("GENOMASK_CACHE", str(tmp_path))
    return []


def test_it_is_measured_once_for_the_same_facts_processor_and_threads(seen, monkeypatch):
    def measure():
        seen.append(len(seen) + 1.5)
        return seen[-1]

    assert [measured_once(measure, *facts) for facts in (["a", 1], ["a", 2], ["a", 1])] == [1.5, 2.5, 1.5]
    monkeypatch.setattr(torch, "get_num_threads", lambda: 96)
    assert measured_once(measure, "a", 1) == 3.5
    monkeypatch.setattr("genomask.machine.processor.name", lambda: "another")
    assert measured_once(measure, "a", 1) == 4.5


def test_what_another_process_measured_meanwhile_is_taken(seen, monkeypatch):
    def by_the_other(folder, wait):
        monkeypatch.undo()
        monkeypatch.setenv("GENOMASK_CACHE", str(folder.parent))
        measured_once(lambda: 7.5, "a")
        return measured.locked(folder, wait)

    monkeypatch.setattr(measured, "locked", by_the_other)
    assert measured_once(lambda: seen.append(1), "a") == 7.5
    assert seen == []
