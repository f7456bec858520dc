"""The short form of benchmarks/scale.py: a small genome of hg38's shape, made, read and counted in this process."""

import importlib
import logging
from pathlib import Path

import numpy as np
import pytest

from genomask.data.genome import Genome

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def scale(monkeypatch):
    """The benchmark; the log levels that its commands set are restored."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    logs = [logging.getLogger(name) for name in ("", "genomask")]
    levels = [log.level for log in logs]
    yield importlib.import_module("scale")
    for log, level in zip(logs, levels, strict=True):
        log.setLevel(level)


@pytest.mark.parametrize("chunk", [60, 600])
def test_the_simulated_genome_has_the_shape_of_hg38(scale, monkeypatch, tmp_path, chunk):
    monkeypatch.setattr(scale, "CHUNK", chunk)
    lengths = scale.shaped_as(scale.HG38, 100_000)
    scale.write_genome(tmp_path / "genome.fa", lengths)
    genome = Genome.open(tmp_path / "genome.fa", cache=tmp_path / "cache")
    assert np.diff(genome.offsets).tolist() == lengths
    assert (len(lengths), lengths[0] / lengths[20]) == (24, pytest.approx(248956422 / 46709983, rel=0.01))
    assert len(genome.runs) == 48
    codes = np.bincount(genome.codes, minlength=5)
    assert codes[4] / len(genome.codes) == pytest.approx(0.045 + 0.02, abs=0.005)
    assert (codes[1] + codes[2]) / codes[:4].sum() == pytest.approx(0.41, abs=0.01)
    assert max(map(len, (tmp_path / "genome.fa").read_bytes().split())) == 60


def test_half_of_the_letters_are_soft_masked_in_stretches(scale):
    bits = scale.soft_masked(1_000_000, np.random.default_rng(0))
    assert set(bits.tolist()) == {0, 32}
    assert bits.mean() == pytest.approx(16, rel=0.05)
    assert np.count_nonzero(np.diff(bits)) == pytest.approx(1_000_000 / scale.STRETCH, rel=0.05)


def test_every_stage_before_training_is_measured(scale, monkeypatch, tmp_path):
    monkeypatch.setenv("GENOMASK_CACHE", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["genomask"])
    monkeypatch.setattr(scale, "SHAPES", {})  # a run costs its report too, several seconds
    rows = list(scale.stages(tmp_path, [20_000, 10_000], scale.measured))
    assert [row["stage"] for row in rows][1:] == ["reading FASTA", "reading into the cache", "npmi count"]
    assert all(row["seconds"] > 0 and row["MB_per_cpu_s"] > 0 for row in rows)
    assert "counting: " in scale.verdict(rows)[0]
    with pytest.raises(RuntimeError, match="ended by 2"):
        scale.count(tmp_path / "absent.fa")
