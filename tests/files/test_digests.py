import hashlib
import os
import shutil
import subprocess

import pytest

from genomask.errors import DataError
from genomask.files.digests import check_digests, check_weights, write_digests, write_weights_digest


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(bytes(range(256)) * 5000)
    (tmp_path / "state.json").write_text("{}")
    write_digests(tmp_path / "all.sha256", ["model.safetensors", "state.json"])
    return tmp_path


def flip_a_bit(path, at=-1001):
    content = bytearray(path.read_bytes())
    content[at] ^= 0x40
    path.write_bytes(content)


def test_the_file_is_what_sha256sum_writes_and_reads(folder):
    of_state = hashlib.sha256(b"{}").hexdigest()
    assert (folder / "all.sha256").read_text().splitlines()[1] == f"{of_state}  state.json"
    check_digests(folder / "all.sha256")
    if shutil.which("sha256sum"):
        subprocess.run(["sha256sum", "-c", "all.sha256"], cwd=folder, check=True, capture_output=True)


def test_one_flipped_bit_is_noticed_and_the_file_named(folder):
    check_digests(folder / "all.sha256")
    flip_a_bit(folder / "model.safetensors")
    with pytest.raises(DataError, match=r"model\.safetensors: differs from what was written"):
        check_digests(folder / "all.sha256")


def test_a_flipped_bit_is_noticed_even_if_the_modification_time_is_unchanged(folder):
    check_digests(folder / "all.sha256")
    weights = folder / "model.safetensors"
    before = weights.stat()
    while weights.stat().st_ctime_ns == before.st_ctime_ns:  # the disk's clock ticks a few hundred times a second
        flip_a_bit(weights)
        flip_a_bit(weights)
    flip_a_bit(weights)
    os.utime(weights, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(DataError, match=r"model\.safetensors: differs from what was written"):
        check_digests(folder / "all.sha256")


def test_a_missing_file_is_noticed(folder):
    (folder / "state.json").unlink()
    with pytest.raises(DataError, match=r"state\.json: differs from what was written"):
        check_digests(folder / "all.sha256")


@pytest.mark.parametrize("content", [b"", b"\0" * 80, b"abc  model.safetensors\n", b"\xff\xfe", b"0" * 64 + b"  ../x"])
def test_damaged_digests_are_damage_too(folder, content):
    (folder / "all.sha256").write_bytes(content)
    with pytest.raises(DataError, match=r"all\.sha256: damaged"):
        check_digests(folder / "all.sha256")


def test_weights_without_a_digest_are_somebody_elses_and_not_checked(folder):
    check_weights(folder)
    write_weights_digest(folder)
    check_weights(folder)
    flip_a_bit(folder / "model.safetensors")
    with pytest.raises(DataError, match=r"if the weights were changed on purpose, remove model\.safetensors\.sha256"):
        check_weights(folder)
    (folder / "model.safetensors.sha256").unlink()
    check_weights(folder)
