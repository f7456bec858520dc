"""Compiled code is kept on disk, found again, and dropped once a file that it depends on changes."""

import importlib
import os
import pkgutil
import runpy
from pathlib import Path

import numba
import pytest
from numba.core.dispatcher import Dispatcher

from genomask import hashing, masking
from genomask.errors import SettingsError
from genomask.masking import STRATEGIES, jit
from genomask.masking.jit import keep_loops_in_the_cache


def compile_again(name):
    spec = STRATEGIES[name]
    _, mask = spec.machine_code
    signature = mask.nopython_signatures[0]  # compiled and kept, unless it already was
    return found_again(spec.mask, signature)


def found_again(function, signature):
    again = jit.jit(function)
    again.compile(signature)
    return sum(again.stats.cache_hits.values())


@pytest.mark.slow
def test_each_compiled_strategy_is_found_again():
    compile_again("contiguous")
    assert compile_again("contiguous") == 1
    compile_again("uniform")  # kept, whatever other tests did to the cache
    assert compile_again("uniform") == 1


def test_no_compiled_function_is_made_by_another():
    """Of two made by one function, a process that finds both in the cache runs whichever it loads first."""
    modules = [importlib.import_module(x.name) for x in pkgutil.walk_packages(masking.__path__, masking.__name__ + ".")]
    compiled = [x for module in modules for x in vars(module).values() if isinstance(x, Dispatcher)]
    assert len(compiled) > len(STRATEGIES)
    ours = [spec.mask for spec in STRATEGIES.values() if spec.mask.__module__.startswith(masking.__name__)]
    assert not [x for x in (*ours, *(x.py_func for x in compiled)) if "<locals>" in x.__qualname__]


def test_two_processes_that_save_at_once_both_keep_their_code(tmp_path):
    one, other = (jit.FilePerKey(str(tmp_path), "hide-1.py311", "stamp") for _ in range(2))
    assert one.load("uniform") is other.load("genemask") is None  # both have looked before either writes
    one.save("uniform", "its code")
    other.save("genemask", "its own")
    for kept in (one, other, jit.FilePerKey(str(tmp_path), "hide-1.py311", "stamp")):
        assert (kept.load("uniform"), kept.load("genemask")) == ("its code", "its own")


def test_code_compiled_from_an_earlier_version_of_the_functions_file_is_not_loaded(tmp_path):
    jit.FilePerKey(str(tmp_path), "hide-1.py311", (1.0, 100)).save("uniform", "its code")
    assert jit.FilePerKey(str(tmp_path), "hide-1.py311", (2.0, 100)).load("uniform") is None


def test_code_compiled_from_other_sources_is_removed(tmp_path, monkeypatch):
    kept = jit.FilePerKey(str(tmp_path), "hide-1.py311", "stamp")
    jit.FilePerKey(str(tmp_path), "hide-12.py311", "stamp").save("uniform", "of another function")
    for sources in ("0123456789", "9876543210"):
        monkeypatch.setattr(jit, "SOURCES", sources)
        kept.save("uniform", sources)
    assert kept.load("uniform") == "9876543210"
    assert len(list(tmp_path.glob("hide-1.*.nbc"))) == 1
    assert len(list(tmp_path.glob("hide-12.*.nbc"))) == 1


def test_code_compiled_from_other_sources_is_not_loaded(monkeypatch, tmp_path):
    compile_again("uniform")  # kept, whatever other tests did to the cache
    assert compile_again("uniform") == 1
    monkeypatch.setattr(jit, "SOURCES", str(tmp_path))  # different each time
    assert compile_again("uniform") == 0


def test_the_digest_changes_with_any_file_of_the_room_and_with_hashing(tmp_path):
    room, beside = tmp_path / "room", tmp_path / "hashing.py"
    (room / "inner").mkdir(parents=True)
    digests = set()
    for file in (room / "inner" / "a.py", room / "b.py", beside):
        for content in ("1", "2"):
            beside.touch()
            file.write_text(content)
            digests.add(jit.digest_of_sources(room, beside))
    assert len(digests) == 6
    assert jit.digest_of_sources(jit.HERE, Path(hashing.__file__)) == jit.SOURCES


def test_a_new_strategy_leaves_the_compiled_code_of_the_others(tmp_path):
    first = jit.digest_of_sources(tmp_path)
    (tmp_path / "strategies").mkdir()
    (tmp_path / "strategies" / "mine.py").write_text("")
    assert jit.digest_of_sources(tmp_path) == first


def test_a_strategy_that_changed_is_compiled_again(tmp_path):
    """Even if only a function of its file that it calls has changed."""
    file = tmp_path / "mine.py"
    source = "from genomask.masking.jit import jit\n\n@jit\ndef n():\n    return 1\n\ndef mine():\n    return n()\n"

    def found():
        return found_again(runpy.run_path(file)["mine"], "int64()")

    file.write_text(source)
    assert [found(), found()] == [0, 1]
    file.write_text(source.replace("return 1", "return 22"))
    assert [found(), found()] == [0, 1]


def test_no_strategy_calls_a_compiled_function_of_another():
    """So the compiled code of each depends only on the shared files and its own."""
    homes = {name: importlib.import_module(spec.mask.__module__) for name, spec in STRATEGIES.items()}
    for name, home in homes.items():
        compiled = [x.__module__ for x in vars(home).values() if isinstance(x, Dispatcher)]
        assert not set(compiled) & {other.__name__ for other in homes.values() if other is not home}, name


def test_loops_are_kept_in_the_cache_where_nothing_can_be_written_beside_them(tmp_path, monkeypatch):
    monkeypatch.setenv("GENOMASK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    keep_loops_in_the_cache(tmp_path)
    assert numba.config.CACHE_DIR == ""
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere
    keep_loops_in_the_cache(tmp_path)
    assert str(tmp_path / "cache" / "loops") == numba.config.CACHE_DIR


def test_a_user_without_a_home_is_asked_to_set_genomask_cache(tmp_path, monkeypatch):
    def no_such_user(_):
        raise KeyError("getpwuid(): uid not found: 54321")

    for name in ("HOME", "GENOMASK_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", no_such_user)
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(SettingsError, match="this user has no home folder to keep the cache in; set GENOMASK_CACHE"):
        keep_loops_in_the_cache(tmp_path)
