import os
import resource

from genomask.machine.resources import usable_cores, usable_memory


def test_cores_are_those_that_this_process_may_use(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5}, raising=False)
    assert usable_cores() == 2
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)  # as where the system does not say
    assert usable_cores() == 1


def test_memory_is_what_is_built_in_or_the_limit_of_the_process(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    built_in = usable_memory()
    assert built_in > 0
    for limit, usable in ((1000, 1000), (2 * built_in, built_in)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, limit=limit: (limit, limit))
        assert usable_memory() == usable
