import logging
import os
import resource
import subprocess
import sys
from types import SimpleNamespace

import pytest

from genomask.machine import process
from genomask.machine.process import usable_cores, usable_memory

BLOCK = 64 * 2**20

SMALL_PAGES = {"NUMPY_MADVISE_HUGEPAGE": "0"}

FAULTS = """
import resource, numpy as np
{first}
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = np.ones({block}, dtype=np.uint8)
    del block
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
"""


def faults_of_the_second_time(first):
    """Page faults when a block is allocated, filled and freed for the second time."""
    code = FAULTS.format(first=first, block=BLOCK)
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=SMALL_PAGES)
    return int(answer.stdout)


@pytest.mark.skipif(not process.is_glibc(), reason="glibc only")
def test_freed_memory_is_kept_after_the_call_and_not_after_an_import():
    kept = faults_of_the_second_time(
        "from genomask.machine.process import keep_freed_memory; assert keep_freed_memory()"
    )
    given_back = faults_of_the_second_time("import genomask.machine.process, genomask.cli.app")
    assert kept < given_back / 4  # a system that uses huge pages anyway needs only a few faults


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(process, "is_glibc", lambda: False)
    monkeypatch.setattr(process.ctypes, "CDLL", None)  # a call would fail
    assert not process.keep_freed_memory()


@pytest.mark.parametrize(("answer", "glibc"), [("glibc 2.36", True), ("", False), (None, False)])
def test_only_glibc_is_taken_for_glibc(monkeypatch, answer, glibc):
    monkeypatch.setattr(process.os, "confstr_names", {"CS_GNU_LIBC_VERSION": 2}, raising=False)
    monkeypatch.setattr(process.os, "confstr", lambda name: answer, raising=False)
    assert process.is_glibc() is glibc


def test_what_glibc_answers_is_logged(monkeypatch, caplog):
    asked = []
    monkeypatch.setattr(process, "state", {"kept": False})
    assert process.allocator_name() == "as the system has it"
    libc = SimpleNamespace(mallopt=lambda *option: asked.append(option) or 1)
    monkeypatch.setattr(process, "is_glibc", lambda: True)
    monkeypatch.setattr(process.ctypes, "CDLL", lambda name: libc)
    with caplog.at_level(logging.DEBUG, logger="genomask"):
        assert process.keep_freed_memory()
    assert asked == [(-1, -1), (-4, 0)]
    assert "mallopt" in caplog.text
    assert "done" in caplog.text
    assert process.allocator_name() == "glibc, keeping freed memory"


def test_cores_are_those_that_this_process_may_use(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5}, raising=False)
    assert usable_cores() == 2
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)  # as on a system that does not report it
    assert usable_cores() == 1


def test_memory_is_the_least_of_the_built_in_and_the_process_and_container_limits(monkeypatch, tmp_path):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    container = tmp_path / "memory.max"
    built_in = usable_memory(container)  # the file does not exist yet
    assert built_in > 0
    for said, usable in (("max\n", built_in), ("2000\n", 2000), (f"{2 * built_in}\n", built_in)):
        container.write_text(said)
        assert usable_memory(container) == usable
    for limit, usable in ((1000, 1000), (2 * built_in, built_in)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, limit=limit: (limit, limit))
        assert usable_memory(container) == usable


def test_kernels_are_bounded_unless_the_environment_says_how_many(monkeypatch):
    ours, asked = process.KERNELS
    monkeypatch.delenv(ours, raising=False)
    monkeypatch.setenv(asked, "7")
    process.keep_few_kernels()
    assert (os.environ[ours], os.environ[asked]) == (process.KERNELS[ours], "7")
