import errno

import pytest
import torch

from genomask.files.locking import locked
from genomask.training import measured
from genomask.training.measured import measured_once


@pytest.fixture
def seen(monkeypatch, tmp_path):
    """Numbers that were measured."""
    monkeypatch.setenv("GENOMASK_CACHE", str(tmp_path))
    return []


def test_a_figure_is_measured_once_for_the_same_facts_processor_and_threads(seen, monkeypatch):
    def measure():
        seen.append(len(seen) + 1.5)
        return seen[-1]

    assert [measured_once(measure, *facts) for facts in (["a", 1], ["a", 2], ["a", 1])] == [1.5, 2.5, 1.5]
    monkeypatch.setattr(torch, "get_num_threads", lambda: 96)
    assert measured_once(measure, "a", 1) == 3.5
    monkeypatch.setattr("genomask.machine.processor.name", lambda: "another")
    assert measured_once(measure, "a", 1) == 4.5


def test_a_figure_that_another_process_measured_meanwhile_is_used(seen, monkeypatch):
    def by_the_other(folder, wait):
        monkeypatch.undo()
        monkeypatch.setenv("GENOMASK_CACHE", str(folder.parent))
        measured_once(lambda: 7.5, "a")
        return measured.locked(folder, wait)

    monkeypatch.setattr(measured, "locked", by_the_other)
    assert measured_once(lambda: seen.append(1), "a") == 7.5
    assert seen == []


def test_without_a_usable_cache_a_figure_is_measured_each_time(seen, tmp_path):
    (tmp_path / "speeds").write_text("no folder")

    def measure():
        seen.append(len(seen) + 1.5)
        return seen[-1]

    assert [measured_once(measure, "a"), measured_once(measure, "a")] == [1.5, 2.5]


def test_a_full_disk_does_not_prevent_a_measurement(seen, monkeypatch):
    def full(file, content):
        raise OSError(errno.ENOSPC, "No space left on device", str(file))

    monkeypatch.setattr(measured, "remember", full)
    assert measured_once(lambda: 2.5, "a") == 2.5


def test_a_process_that_keeps_the_lock_does_not_prevent_a_measurement(seen, monkeypatch, tmp_path):
    monkeypatch.setattr(measured, "WAIT_SECONDS", 0.01)
    with locked(tmp_path / "speeds", 0.0):
        assert measured_once(lambda: 2.5, "a") == 2.5


def test_a_known_figure_is_read_where_nothing_can_be_written(seen, monkeypatch):
    def refused(folder, wait):
        raise PermissionError(errno.EACCES, "Permission denied", str(folder))

    assert measured_once(lambda: 1.5, "a") == 1.5
    monkeypatch.setattr(measured, "locked", refused)
    assert measured_once(lambda: 2.5, "a") == 1.5
    assert measured_once(lambda: 3.5, "b") == 3.5


def test_an_error_in_measuring_is_not_taken_for_one_of_the_cache(seen):
    def broken():
        seen.append(1)
        raise OSError("no such device")

    with pytest.raises(OSError, match="no such device"):
        measured_once(broken, "a")
    assert seen == [1]
