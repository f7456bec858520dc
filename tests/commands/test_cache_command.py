"""`genomask cache` and `genomask cache clear`, on a genome that was opened."""

import os
import time

import pytest
from typer.testing import CliRunner

from genomask.cli.app import app
from genomask.commands.cache import aged, sized
from genomask.data.genome import Genome
from genomask.errors import SettingsError


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("GENOMASK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def cache(*words):
    """The verb's output; its errors are raised."""
    result = CliRunner().invoke(app, ["cache", *words])
    if isinstance(result.exception, Exception):
        raise result.exception
    return result.output


@pytest.fixture
def opened(root, tmp_path):
    """The entry of a genome, as a process that has ended leaves it."""
    (tmp_path / "small.fa").write_text(">a\nACGTACGTAC\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("genomask.files.cache.hold", lambda _: None)
        Genome.open(tmp_path / "small.fa")
    return next((root / "genomes").iterdir())


def test_a_genome_is_listed_and_removed_only_once_it_is_old_enough(opened, root):
    said = cache()
    assert "genome" in said
    assert "small.fa" in said
    assert "just now" in said
    assert f"genomes/{opened.name}" in said.replace("\n", "")
    assert "0 of 1 entry removed" in cache("clear", "--older-than", "1")
    with pytest.raises(SettingsError, match=r"would be removed; without a terminal, give --yes"):
        cache("clear")
    old = time.time() - 3 * 24 * 3600
    os.utime(opened / "seal.json", (old, old))
    assert "3 days ago" in cache()
    assert "0 of 1 entry removed" in cache("clear", "--older-than", "3.5", "--yes")
    assert "1 of 1 entry removed" in cache("clear", "--older-than", "2.5", "--yes")
    assert not opened.exists()
    assert "the cache is empty" in cache()


def test_a_genome_that_is_open_is_not_removed(root, tmp_path):
    (tmp_path / "small.fa").write_text(">a\nACGTACGTAC\n")
    genome = Genome.open(tmp_path / "small.fa")
    said = cache("clear", "--yes")
    assert "in use, not removed" in said
    assert "0 of 1 entry removed" in said
    assert Genome.open(tmp_path / "small.fa").fingerprint == genome.fingerprint


def test_sizes_and_ages_are_easy_to_read():
    assert [sized(n) for n in (0, 999, 1_000, 12_340_000, 3.1e12)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "12.3 MB",
        "3,100.0 GB",
    ]
    assert [aged(s) for s in (-5, 59, 60, 7_200, 86_400, 1e7)] == [
        "just now", "just now", "1 minute ago", "2 hours ago", "1 day ago", "115 days ago",
    ]  # fmt: skip
