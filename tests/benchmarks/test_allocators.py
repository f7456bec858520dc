"""A program runs under the named allocator, and under no other."""

import sys

import pytest

PRINT_CHOICE = "import os; print([os.environ.get(name) for name in ('MALLOC_MMAP_MAX_', 'LD_PRELOAD', 'SOMETHING')])"


@pytest.fixture
def allocators(script):
    return script("allocators")


def test_an_allocator_is_recognised_by_its_environment(allocators, monkeypatch):
    for name in allocators.CHOICE:
        monkeypatch.delenv(name, raising=False)
    assert allocators.runs_under("default")
    assert not allocators.runs_under("kept")
    for name, value in allocators.allocator_environment("kept").items():
        monkeypatch.setenv(name, value)
    assert allocators.runs_under("kept")
    with pytest.raises(allocators.SettingsError, match="'jemalloc' is not here"):
        allocators.allocator_environment("jemalloc")


@pytest.mark.parametrize(("name", "kept"), [("kept", "'0'"), ("default", "None")])
def test_a_program_runs_under_that_allocator_and_no_other(allocators, monkeypatch, capfd, name, kept):
    monkeypatch.setenv("MALLOC_MMAP_MAX_", "7")
    monkeypatch.setenv("LD_PRELOAD", "")
    monkeypatch.setenv("SOMETHING", "else")
    assert allocators.run_under(name, [sys.executable, "-c", PRINT_CHOICE]) == 0
    assert capfd.readouterr().out == f"[{kept}, None, 'else']\n"
    assert allocators.run_under(name, [sys.executable, "-c", "raise SystemExit(3)"]) == 3
