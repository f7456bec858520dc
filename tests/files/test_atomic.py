import errno
import os
import resource
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from genomask.files.atomic import atomic_file, atomic_folder, atomic_write, naming, sweep


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_is_written_appears_whole_and_alone(tmp_path):
    atomic_write(tmp_path / "a.txt", "one")
    atomic_write(tmp_path / "a.txt", "two")
    with atomic_folder(tmp_path / "f") as aside:
        (aside / "x").write_text("x")
    assert (tmp_path / "a.txt").read_text() == "two"
    assert names(tmp_path) == ["a.txt", "f"]


def test_everything_is_on_disk_before_the_name_appears(tmp_path, monkeypatch):
    synced, fsync = [], os.fsync

    def note(handle):
        path = Path(os.readlink(f"/proc/self/fd/{handle}"))
        synced.append((path.relative_to(tmp_path).parts[1:], names(tmp_path)))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", note)
    with atomic_folder(tmp_path / "f") as aside:
        (aside / "x").write_text("x")
    (file, before), (folder, still), (parent, after) = synced
    assert (file, folder, parent) == (("x",), (), ())
    assert "f" not in before + still
    assert after == ["f"]  # its name is synced as well
    synced.clear()
    atomic_write(tmp_path / "a.txt", "one")
    [(_, before)] = synced
    assert "a.txt" not in before


def test_a_folder_that_another_process_wrote_first_is_kept(tmp_path):
    for text, stands in (("one", False), ("two", True), ("three", False)):
        with atomic_folder(tmp_path / "f", stands=lambda stands=stands: stands) as aside:
            (aside / "x").write_text(text)
        assert (tmp_path / "f" / "x").read_text() == ("one" if text == "two" else text)
    assert names(tmp_path) == ["f"]


def test_a_write_that_fails_leaves_what_was_there_and_nothing_else(tmp_path):
    atomic_write(tmp_path / "a.txt", "one")
    with atomic_folder(tmp_path / "f") as aside:
        (aside / "x").write_text("x")
    with pytest.raises(ZeroDivisionError), atomic_file(tmp_path / "a.txt") as file:
        file.write(b"tw" + bytes(1 // 0))
    with pytest.raises(ZeroDivisionError), atomic_folder(tmp_path / "f") as aside:
        (aside / "y").write_text(str(1 // 0))
    assert (tmp_path / "a.txt").read_text() == "one"
    assert names(tmp_path / "f") == ["x"]
    assert names(tmp_path) == ["a.txt", "f"]


@pytest.mark.parametrize(("umask", "file_mode", "folder_mode"), [(0o022, 0o644, 0o755), (0o007, 0o660, 0o770)])
def test_modes_are_those_of_the_umask_also_for_files_of_safetensors(tmp_path, umask, file_mode, folder_mode):
    before = os.umask(umask)
    try:
        atomic_write(tmp_path / "a.txt", "one")
        with atomic_folder(tmp_path / "f") as aside:
            save_file({"x": torch.zeros(2)}, aside / "model.safetensors")
            (aside / "config.json").write_text("{}")
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    assert modes == {"a.txt": file_mode, "f": folder_mode, "model.safetensors": file_mode, "config.json": file_mode}


def test_the_sweep_removes_only_what_killed_writes_of_these_names_left(tmp_path):
    for name in (
        ".config.toml.abc123",
        ".notes.txt",
        ".other.toml.1a2b3c4d",
        ".config.toml.swp",
        "config.toml",
        ".lock",
    ):
        (tmp_path / name).touch()
    (tmp_path / ".step-15.0a1b2c3d").mkdir()
    (tmp_path / ".step-15.0a1b2c3d" / "model.safetensors").touch()
    (tmp_path / ".step-20.0a1b2c3d").touch()
    (tmp_path / ".config.toml.0a1b2c3d").mkdir()
    sweep(tmp_path, "config.toml", "step-*/")
    not_of_their_kind = [".config.toml.0a1b2c3d", ".step-20.0a1b2c3d"]
    others = [".config.toml.swp", ".lock", ".notes.txt", ".other.toml.1a2b3c4d", "config.toml"]
    assert names(tmp_path) == sorted(not_of_their_kind + others)
    sweep(tmp_path / "nowhere", "config.toml")


def test_a_disk_error_names_the_file_to_be_written(tmp_path):
    with pytest.raises(OSError, match="No space left") as said, atomic_folder(tmp_path / "model") as aside:
        raise OSError(errno.ENOSPC, "No space left on device", str(aside / "config.json"))
    assert said.value.filename == str(tmp_path / "model")
    with pytest.raises(OSError, match="No space left") as said, naming(tmp_path / "metrics.jsonl"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert said.value.filename == str(tmp_path / "metrics.jsonl")
    with pytest.raises(OSError, match="other") as said, naming(tmp_path / "metrics.jsonl"):
        (tmp_path / "other" / "file").read_text()
    assert said.value.filename == str(tmp_path / "other" / "file")


def test_safetensors_error_for_a_full_disk_becomes_the_systems_error(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="model") as said, atomic_folder(tmp_path / "model") as aside:
            save_file({"x": torch.zeros(1000)}, aside / "model.safetensors")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (said.value.errno, said.value.filename) == (errno.EFBIG, str(tmp_path / "model"))
    assert names(tmp_path) == []
