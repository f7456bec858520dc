import errno
import fcntl
import os
import socket
import subprocess
import sys
import time

import pytest

from genomask.errors import SettingsError
from genomask.files.locking import locked

HOLD = """
import sys, time
from pathlib import Path
from genomask.files.locking import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_locking_a_held_folder_is_refused_and_names_the_holder(tmp_path):
    with (
        locked(tmp_path / "run"),
        pytest.raises(SettingsError, match=f"in use by process {os.getpid()} on {socket.gethostname()}; wait"),
        locked(tmp_path / "run"),
    ):
        pass
    with locked(tmp_path), locked(tmp_path / "run"):  # free again; another folder is another lock
        (tmp_path / "run" / "config.toml").touch()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["config.toml", "run"]


def test_a_folder_made_for_the_lock_and_left_empty_is_removed_with_it(tmp_path):
    with locked(tmp_path / "runs" / "a"):
        assert (tmp_path / "runs" / "a" / ".lock").exists()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "empty").mkdir()
    with locked(tmp_path / "empty"):
        pass
    assert (tmp_path / "empty").is_dir()


def test_a_killed_holder_blocks_nobody_and_one_who_waits_gets_the_folder(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(SettingsError, match=f"process {holder.pid} on"), locked(tmp_path):
        pass
    holder.kill()
    with locked(tmp_path, wait=10):
        assert str(os.getpid()) in (tmp_path / ".lock").read_text()
    holder.wait()
    assert not (tmp_path / ".lock").exists()


def test_a_lock_file_that_another_removed_or_replaced_is_not_taken_for_ones_own(tmp_path):
    with locked(tmp_path):
        (tmp_path / ".lock").unlink()
        with locked(tmp_path):
            pass
        (tmp_path / ".lock").write_text("of the next")
    assert (tmp_path / ".lock").read_text() == "of the next"


def test_a_lock_file_that_its_holder_removes_before_it_is_locked_is_not_taken(tmp_path, monkeypatch):
    flock, removed = fcntl.flock, []

    def late(handle, how):
        if not removed:  # between our opening and our locking it
            removed.append((tmp_path / ".lock").unlink())
        flock(handle, how)

    monkeypatch.setattr("genomask.files.locking.fcntl.flock", late)
    with locked(tmp_path):
        assert str(os.getpid()) in (tmp_path / ".lock").read_text()
        with pytest.raises(SettingsError, match="in use"), locked(tmp_path):
            pass


def test_on_a_file_system_without_locks_a_warning_is_logged(tmp_path, monkeypatch, caplog):
    def no_locks(*_args):
        raise OSError(37, "No locks available")

    monkeypatch.setattr("genomask.files.locking.fcntl.flock", no_locks)
    with locked(tmp_path):
        pass
    assert "No locks available" in caplog.text


def test_waiting_ends(tmp_path):
    began = time.monotonic()
    with locked(tmp_path), pytest.raises(SettingsError, match="in use"), locked(tmp_path, wait=0.3):
        pass
    assert 0.3 <= time.monotonic() - began < 5


def test_a_lock_that_cannot_be_signed_on_a_full_disk_is_released(tmp_path, monkeypatch):
    def full(handle, text):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space left"), locked(tmp_path):
            pass
    with locked(tmp_path):
        assert str(os.getpid()) in (tmp_path / ".lock").read_text()
