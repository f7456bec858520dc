import mmap
import runpy
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from genomask.data.genome import Genome

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def load(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return lambda name: runpy.run_path(str(BENCHMARKS / name))


@pytest.fixture
def genome(tmp_path):
    (tmp_path / "a.fa").write_text(">one\nACGTNNAAC\n>two\nGG\n")
    return Genome.open(tmp_path / "a.fa")


def test_both_sides_count_the_letters_of_the_genome_over_and_over(load, genome, tmp_path):
    load("npmi.py")["write_repeated"](genome, 4 * 60 * 3, tmp_path / "many.fa")
    many = Genome.open(tmp_path / "many.fa")
    assert many.offsets.tolist() == [0, 180, 360, 540, 720]
    assert "".join("ACGTN"[code] for code in many.codes) == ("ACGTNAACNGGN" * 60)


def test_the_whole_genome_holds_its_acgt_over_and_over(load, genome, tmp_path):
    codes = load("npmi_genome.py")["repeated_codes"](genome, 20, tmp_path / "codes")
    assert "".join("ACGT"[code] for code in codes) == "ACGTAACGGACGTAACGGAC"


def test_counts_in_a_peers_dump_go_to_the_places_of_their_words(load, tmp_path):
    (tmp_path / "dump").write_text("CA\t7\nTT 3\n")
    counts = load("npmi.py")["read_dump"](["true"], tmp_path / "dump", 2)
    assert {int(at): int(counts[at]) for at in np.flatnonzero(counts)} == {4: 7, 15: 3}


def test_the_verdict_begins_with_the_file_that_the_peer_reads_too(load):
    benchmark = load("npmi.py")
    speeds = {benchmark["FASTA"]: 0.434, benchmark["MAP"]: 5.58}
    rows = [{"k": k, "side": side, "times_KMC": speed} for k in (6, 10) for side, speed in speeds.items()]
    assert benchmark["verdict"](rows)[0] == (
        "6-mers: 0.43 times KMC's bases per second from plain FASTA, the memory map being made, and 5.6 times from "
        "that map (goal 4)"
    )


def test_the_peak_memory_of_a_measurement_is_seen(load):
    with load("npmi_genome.py")["peak_anonymous_mib"]() as peak:
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        block = mmap.mmap(-1, 2**26, flags=flags)  # the allocator may have kept as much from before
        for page in range(0, len(block), mmap.PAGESIZE):
            block[page] = 1
        waited_until = time.monotonic() + 30
        while peak[0] < 50 and time.monotonic() < waited_until:
            time.sleep(0.01)
        block.close()
    assert 50 < peak[0] < 300


def test_cpu_seconds_of_child_processes_count(load):
    benchmark = load("npmi.py")
    busy = ["sh", "-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"]
    (turn,) = benchmark["take_turns"]({"sh": lambda n: benchmark["run"](busy)}, 1, torch.device("cpu"))["sh"]
    assert turn.cpu_s > 0.05
