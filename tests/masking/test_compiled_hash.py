import os

import numba
import pytest

from genomask.errors import SettingsError
from genomask.masking.compiled_hash import forget_loops_of_other_sources, keep_loops_in_the_cache


def test_kept_loops_are_forgotten_once_any_file_beside_them_has_changed(tmp_path):
    (tmp_path / "strategies" / "__pycache__").mkdir(parents=True)
    (tmp_path / "shared.py").write_text("1")
    (tmp_path / "strategies" / "one.py").write_text("1")
    kept = tmp_path / "strategies" / "__pycache__" / "one.loop.nbi"

    forget_loops_of_other_sources(tmp_path)
    kept.write_text("compiled")
    forget_loops_of_other_sources(tmp_path)
    assert kept.exists()
    (tmp_path / "shared.py").write_text("12")
    forget_loops_of_other_sources(tmp_path)
    assert not kept.exists()
    kept.write_text("compiled")
    forget_loops_of_other_sources(tmp_path)
    assert kept.exists()
    (tmp_path / "strategies" / "two.py").write_text("1")
    forget_loops_of_other_sources(tmp_path)
    assert not kept.exists()


def test_loops_are_kept_in_the_cache_where_nothing_can_be_written_beside_them(tmp_path, monkeypatch):
    monkeypatch.setenv("GENOMASK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    (tmp_path / "shared.py").write_text("1")
    keep_loops_in_the_cache(tmp_path)
    assert numba.config.CACHE_DIR == ""
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere
    keep_loops_in_the_cache(tmp_path)
    first = numba.config.CACHE_DIR
    assert first.startswith(str(tmp_path / "cache" / "loops"))
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    (tmp_path / "shared.py").write_text("12")
    keep_loops_in_the_cache(tmp_path)
    assert numba.config.CACHE_DIR not in ("", first)


def test_a_user_without_a_home_is_told_of_the_cache(tmp_path, monkeypatch):
    def no_such_user(_):
        raise KeyError("getpwuid(): uid not found: 54321")

    for name in ("HOME", "GENOMASK_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", no_such_user)
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(SettingsError, match="this user has no home folder to keep the cache in; set GENOMASK_CACHE"):
        keep_loops_in_the_cache(tmp_path)
