"""What is compiled is kept on disk, found again, and forgotten once any file of the room changes."""

import hashlib
import importlib
import json
import multiprocessing
import os
import runpy
import subprocess
import sys
from pathlib import Path

import numba
import pytest
from known_masks import kmer_batch, npmi_with_ties
from masking_tables import kmer_tokens

from genomask import hashing
from genomask.errors import SettingsError
from genomask.masking import STRATEGIES, build_strategy, jit
from genomask.masking.jit import keep_loops_in_the_cache


def compile_again(name):
    spec = STRATEGIES[name]
    _, mask = spec.machine_code
    signature = mask.nopython_signatures[0]  # compiled and kept, if it was not before
    return found_again(spec.mask, signature)


def found_again(function, signature):
    again = jit.jit(function)
    again.compile(signature)
    return sum(again.stats.cache_hits.values())


@pytest.mark.slow
def test_a_strategy_is_found_again_and_never_taken_for_another():
    compile_again("contiguous")
    assert compile_again("contiguous") == 1
    compile_again("uniform")  # kept, whatever other tests made of the cache
    assert compile_again("uniform") == 1


CENTRED = ("random-span", "genemask")
"""Strategies that call the same functions; two are enough for one to be found under the other's name."""


def selected(name):
    """Digest of the tokens that a strategy selects, and whether its code was found."""
    tokens = kmer_tokens(3)
    strategy = build_strategy(name, tokens=tokens, mask_rate=0.15, npmi=npmi_with_ties(3), match="none")
    digest = hashlib.sha256(strategy.select(*kmer_batch(tokens)).numpy().tobytes()).hexdigest()
    return digest, bool(STRATEGIES[name].machine_code[1].stats.cache_hits)


def compile_apart_and_load_together(cache):
    """Prints what processes that begin alike select: each strategy in one of its own, then both in one, as JSON."""
    selected("contiguous")  # compiles what is of no strategy, once
    common, apart, results = set(cache.rglob("*.nbc")), {}, []
    for names in (CENTRED[:1], CENTRED[1:], CENTRED):
        if names == CENTRED:
            for file, content in apart.items():
                file.write_bytes(content)
        with multiprocessing.get_context("fork").Pool(1) as pool:
            results += pool.map(selected, names)
        for file in set(cache.rglob("*.nbc")) - common:
            apart[file] = file.read_bytes()
            file.unlink()
    print(json.dumps(results))


@pytest.mark.slow
def test_what_several_processes_compiled_is_right_where_it_is_loaded_together(tmp_path):
    """Each counts its functions for itself, so that theirs have the same numbers."""
    program = f"import pathlib, test_jit; test_jit.compile_apart_and_load_together(pathlib.Path({str(tmp_path)!r}))"
    variables = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(Path(__file__).parent)}
    answer = subprocess.run([sys.executable, "-c", program], env=variables, capture_output=True, text=True, check=True)
    expected = [selected(name)[0] for name in CENTRED]
    assert len(set(expected)) == len(CENTRED)
    apart, together = [[digest, False] for digest in expected], [[digest, True] for digest in expected]
    assert json.loads(answer.stdout) == [*apart, *together]


def test_two_processes_that_keep_two_versions_at_once_find_each_its_own(tmp_path):
    one, other = (jit.FilePerKey(str(tmp_path), "hide-1.py311", "stamp") for _ in range(2))
    assert one.load("uniform") is other.load("genemask") is None  # both have looked before either writes
    one.save("uniform", "its code")
    other.save("genemask", "its own")
    for kept in (one, other, jit.FilePerKey(str(tmp_path), "hide-1.py311", "stamp")):
        assert (kept.load("uniform"), kept.load("genemask")) == ("its code", "its own")


def test_what_the_functions_own_file_was_before_is_not_taken(tmp_path):
    jit.FilePerKey(str(tmp_path), "hide-1.py311", (1.0, 100)).save("uniform", "its code")
    assert jit.FilePerKey(str(tmp_path), "hide-1.py311", (2.0, 100)).load("uniform") is None


def test_what_other_sources_were_compiled_to_is_removed(tmp_path, monkeypatch):
    kept = jit.FilePerKey(str(tmp_path), "hide-1.py311", "stamp")
    jit.FilePerKey(str(tmp_path), "hide-12.py311", "stamp").save("uniform", "of another function")
    for sources in ("0123456789", "9876543210"):
        monkeypatch.setattr(jit, "SOURCES", sources)
        kept.save("uniform", sources)
    assert kept.load("uniform") == "9876543210"
    assert len(list(tmp_path.glob("hide-1.*.nbc"))) == 1
    assert len(list(tmp_path.glob("hide-12.*.nbc"))) == 1


def test_what_other_sources_were_compiled_to_is_not_taken(monkeypatch, tmp_path):
    compile_again("uniform")  # kept, whatever other tests made of the cache
    assert compile_again("uniform") == 1
    monkeypatch.setattr(jit, "SOURCES", str(tmp_path))  # another one each time
    assert compile_again("uniform") == 0


def test_the_digest_changes_with_any_file_of_the_room_and_with_the_hash(tmp_path):
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


def test_a_new_strategy_leaves_what_the_others_were_compiled_to(tmp_path):
    first = jit.digest_of_sources(tmp_path)
    (tmp_path / "strategies").mkdir()
    (tmp_path / "strategies" / "mine.py").write_text("")
    assert jit.digest_of_sources(tmp_path) == first


def test_a_strategy_that_changed_is_compiled_anew(tmp_path):
    """Also where what changed is a function of its file that it calls."""
    file = tmp_path / "mine.py"
    source = "from genomask.masking.jit import jit\n\n@jit\ndef n():\n    return 1\n\ndef mine():\n    return n()\n"

    def found():
        return found_again(runpy.run_path(file)["mine"], "int64()")

    file.write_text(source)
    assert [found(), found()] == [0, 1]
    file.write_text(source.replace("return 1", "return 22"))
    assert [found(), found()] == [0, 1]


def test_no_strategy_calls_a_compiled_function_of_another():
    """So that what each was compiled to depends on the shared files and its own alone."""
    homes = {name: importlib.import_module(spec.mask.__module__) for name, spec in STRATEGIES.items()}
    for name, home in homes.items():
        compiled = [x.__module__ for x in vars(home).values() if isinstance(x, numba.core.dispatcher.Dispatcher)]
        assert not set(compiled) & {other.__name__ for other in homes.values() if other is not home}, name


def test_loops_are_kept_in_the_cache_where_nothing_can_be_written_beside_them(tmp_path, monkeypatch):
    monkeypatch.setenv("GENOMASK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    keep_loops_in_the_cache(tmp_path)
    assert numba.config.CACHE_DIR == ""
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere
    keep_loops_in_the_cache(tmp_path)
    assert str(tmp_path / "cache" / "loops") == numba.config.CACHE_DIR


def test_a_user_without_a_home_hears_of_the_cache(tmp_path, monkeypatch):
    def no_such_user(_):
        raise KeyError("getpwuid(): uid not found: 54321")

    for name in ("HOME", "GENOMASK_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", no_such_user)
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(SettingsError, match="this user has no home folder to keep the cache in; set GENOMASK_CACHE"):
        keep_loops_in_the_cache(tmp_path)
