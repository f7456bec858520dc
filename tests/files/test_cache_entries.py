"""The entries of the cache and their removal: only genomask's own, and none that a process uses."""

import os
import subprocess
import sys
import time

import pytest

from genomask.files.cache import key_of, recall, remember, sealed_folder
from genomask.files.cache_entries import entries, remove
from genomask.files.locking import unheld

KEY = key_of("a genome")
HOLDING = """
import sys
from pathlib import Path
from genomask.files.locking import hold
hold(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def sealed(root, source, room="genomes", name=f"hg38-{KEY}"):
    """A folder that this process made and does not hold, as if the process had ended."""
    folder = root / room / name
    build = lambda path: (path / "codes.bin").write_text("ACGT" * 100)  # noqa: E731
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("genomask.files.cache.hold", lambda _: None)
        sealed_folder(folder, [source], build)
    return folder


@pytest.fixture
def source(tmp_path):
    (tmp_path / "hg38.fa").write_text(">a\nACGT\n")
    return tmp_path / "hg38.fa"


@pytest.fixture
def root(tmp_path):
    return tmp_path / "cache"


def test_each_entry_is_listed_with_its_sources_size_and_last_use(root, source):
    folder = sealed(root, source)
    remember(root / "rates" / f"{'0' * 32}.json", [0.1])
    (root / "loops" / "x").mkdir(parents=True)
    (root / "loops" / "x" / "f-1.py311.nbi").write_text("index")
    genome, rate, loops = entries(root)
    assert (genome.what, genome.path, genome.sources) == ("genome", folder, (str(source.resolve()),))
    assert genome.size == 400 + (folder / "seal.json").stat().st_size
    assert (rate.what, loops.what, loops.size) == ("mask rate", "compiled loops", 5)
    assert abs(time.time() - genome.used) < 60


def test_using_an_entry_updates_its_last_use(root, source):
    folder, rate = sealed(root, source), root / "rates" / f"{'0' * 32}.json"
    remember(rate, [0.1])
    for path in (folder / "seal.json", rate):
        os.utime(path, (0, 0))
    assert [entry.used for entry in entries(root)] == [0, 0]
    sealed(root, source)
    recall(rate)
    assert all(time.time() - entry.used < 60 for entry in entries(root))


def test_all_entries_are_removed_and_can_be_built_again(root, source):
    folder = sealed(root, source)
    remember(root / "rates" / f"{KEY}.json", [0.1])
    (root / "loops" / "x").mkdir(parents=True)
    (root / "loops" / "x" / "f-1.py311.nbc").write_text("code")
    assert all(map(remove, list(entries(root))))
    assert list(entries(root)) == []
    assert sorted(path.name for path in root.rglob("*")) == ["genomes", "loops", "rates"]
    assert sealed(root, source) == folder
    assert folder.is_dir()


def test_files_and_folders_that_are_not_genomasks_are_not_listed(root, source, tmp_path):
    folder = sealed(root, source)
    (folder / "notes.txt").write_text("of a person")
    (root / "genomes" / "mine").mkdir()
    (root / "genomes" / "hg38.fa").write_text(">a\nAC\n")
    (root / "genomes" / f"x-{KEY}").symlink_to(sealed(tmp_path / "elsewhere", source))
    (root / "genomes" / f".mine-{KEY}.txt").mkdir()
    (root / "other").mkdir()
    (root / "rates").mkdir()
    (root / "rates" / "notes.json").write_text("{}")
    (root / "loops").mkdir()
    (root / "loops" / "mine.py").write_text("x = 1")
    sealed(root, source, name="without-a-key")
    assert list(entries(root)) == []


@pytest.mark.parametrize("text", ["", "[]", "{}", "5", '{"files": 5}', '{"files": {}, "paths": 5}', "[" * 9_999])
def test_a_folder_with_a_damaged_seal_is_not_listed(root, source, text):
    (sealed(root, source) / "seal.json").write_text(text)
    assert list(entries(root)) == []


def test_a_half_built_folder_is_listed_after_a_day(root, source):
    left = root / "genomes" / f".hg38-{KEY}.0123abcd"
    left.mkdir(parents=True)
    (left / "codes.bin").write_text("AC")
    assert list(entries(root)) == []
    for path in (left / "codes.bin", left):
        os.utime(path, (0, 0))
    (entry,) = entries(root)
    assert entry.what == "left half built"
    assert remove(entry)
    assert not left.exists()


def test_an_entry_that_a_process_uses_is_left_whole(root, source):
    folder = sealed(root, source)
    (entry,) = entries(root)
    holding = [sys.executable, "-c", HOLDING, str(folder)]
    with subprocess.Popen(holding, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        assert not remove(entry)
        assert sorted(path.name for path in folder.iterdir()) == ["codes.bin", "seal.json"]
        other.kill()
    with unheld(folder) as is_free:
        assert is_free
    assert remove(entry)
    assert not folder.exists()
