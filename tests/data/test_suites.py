"""Small copies of suites as downloaded: each layout is recognised by its files and read as published."""

import gzip
import logging

import numpy as np
import pytest

from genomask.data.suites import LAYOUTS, Regions, suite_tasks
from genomask.errors import DataError
from genomask.fewshot.metrics import METRICS

BASES = "ACGTTGCAGGATTACAGATTACCAGTNNNNNN"


def table(path, rows, separator="\t"):
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(separator.join(map(str, row)) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


def gue(folder):
    for split in ("train", "dev", "test"):
        table(folder / f"{split}.csv.gz", [("sequence", "label"), ("ACGTAC", 0), ("GGATCC", 1)], ",")


def genemask(folder):
    for name in ("100.tsv", "20.tsv.gz", "test.tsv"):
        table(folder / name, [("sequence", "label"), ("ACG CGT GTA", 0), ("GGA GAT", 1)])


def nucleotide_transformer(folder):
    folder.mkdir(parents=True)
    (folder / "train.fna").write_text(">chr1_1-6|0\nACG\nTAC\n>chr2_1-6|1\nGGATCC\n")
    (folder / "test.fna").write_text(">a_b|1\nGGATCR\n>c|0\nACGTAA\n")


def genomic_benchmarks(folder):
    header = ("id", "region", "start", "end", "strand")
    for side in ("train", "test"):
        table(folder / side / "positive.csv.gz", [header, ("a", "1", 0, 6, "+"), ("b", "chr1", 6, 12, "-")], ",")
        table(folder / side / "negative.csv.gz", [header, ("c", "chr1", 12, 18, "+"), ("d", "chr9", 0, 6, "+")], ",")


MADE = {"GUE": gue, "GeneMask": genemask, "Nucleotide Transformer": nucleotide_transformer,
        "Genomic Benchmarks": genomic_benchmarks}  # fmt: skip


@pytest.fixture
def genome(tmp_path):
    (tmp_path / "genome.fa").write_text(f">chr1\n{BASES}\n")
    return Regions([tmp_path / "genome.fa"])


def test_every_layout_has_a_few_shot_metric_and_is_tested_here():
    assert {layout.suite for layout in LAYOUTS} == set(MADE)
    assert all(layout.metric in METRICS for layout in LAYOUTS)


@pytest.mark.parametrize("suite", MADE)
def test_a_layout_is_recognised_by_its_files_also_several_folders_down(suite, tmp_path, genome):
    MADE[suite](tmp_path / "suite" / "group" / "task")
    for start, name in ((tmp_path / "suite", "group/task"), (tmp_path / "suite" / "group" / "task", "task")):
        tasks = suite_tasks(start)
        assert {task.layout.suite for task in tasks} == {suite}
        assert all(task.name.startswith(name) for task in tasks)
        train, test, dev = tasks[0].read(genome)
        assert train.name == test.name == tasks[0].name
        assert len(train.classes) == 2
        assert (dev is not None) == (suite == "GUE")


@pytest.mark.parametrize(("name", "metric"), [("virus/covid", "f1_macro"), ("EMP/H3", "mcc")])
def test_a_task_of_gue_has_its_own_published_metric(name, metric, tmp_path):
    gue(tmp_path / name)
    assert [task.metric for task in suite_tasks(tmp_path)] == [metric]


def test_files_of_shots_are_tasks_in_the_order_of_their_numbers(tmp_path, genome):
    genemask(tmp_path / "Prom")
    table(tmp_path / "Prom" / "500" / "train_1.tsv", [("sequence", "label"), ("AAAA", 0), ("CCCC", 1)])
    tasks = suite_tasks(tmp_path)
    assert [task.name for task in tasks] == ["Prom/20", "Prom/100", "Prom/500"]
    train, test, _ = tasks[2].read(genome)
    assert (train.sequences, test.sequences) == (["AAAA", "CCCC"], ["ACGTA", "GGAT"])


def test_labels_in_fasta_headers_are_what_follows_the_last_bar(tmp_path, genome):
    nucleotide_transformer(tmp_path / "enhancers")
    train, test, _ = suite_tasks(tmp_path)[0].read(genome)
    assert train.sequences == ["ACGTAC", "GGATCC"]
    assert (test.sequences, test.labels.tolist(), test.classes) == (["GGATCN", "ACGTAA"], [1, 0], ["0", "1"])
    (tmp_path / "enhancers" / "train.fna").write_text(">unlabelled\nACGT\n")
    with pytest.raises(DataError, match="record unlabelled has no label"):
        suite_tasks(tmp_path)[0].read(genome)


def test_coordinates_are_read_from_the_genome_on_their_strand_and_those_outside_are_counted(tmp_path, genome, caplog):
    genomic_benchmarks(tmp_path / "promoters")
    with caplog.at_level(logging.WARNING):
        train, *_ = suite_tasks(tmp_path / "promoters")[0].read(genome)
    assert dict(zip(train.sequences, train.labels.tolist(), strict=True)) == {"ACGTTG": 1, "ATCCTG": 1, "TACAGA": 0}
    assert train.classes == ["negative", "positive"]
    assert "negative.csv.gz: left out, as they are not in the genome given: 1 of 2 intervals" in caplog.text


def test_coordinates_without_their_genome_or_with_another_are_a_clear_error(tmp_path, genome):
    genomic_benchmarks(tmp_path / "promoters")
    [task] = suite_tasks(tmp_path / "promoters")
    with pytest.raises(DataError, match="name their genome with --genome"):
        task.read(Regions([]))
    (tmp_path / "other.fa").write_text(">scaffold\nACGTACGT\n")
    with pytest.raises(DataError, match="none of its 2 intervals"):
        task.read(Regions([tmp_path / "other.fa"]))


@pytest.mark.parametrize(("start", "stop", "bases"), [(26, 32, ""), (30, 33, ""), (4, 4, ""), (24, 28, "GTNN")])
def test_an_interval_that_is_empty_or_all_n_or_beyond_the_record_has_no_bases(genome, start, stop, bases):
    assert genome.bases("chr1", start, stop, reverse=False) == bases


def test_an_invalid_position_is_named_by_its_row(tmp_path, genome):
    genomic_benchmarks(tmp_path)
    header = ("id", "region", "start", "end", "strand")
    table(tmp_path / "train" / "negative.csv.gz", [header, ("x", "chr1", "-5", "6", "+")], ",")
    with pytest.raises(DataError, match=r"negative\.csv\.gz, row 2: -5 to 6 are not positions"):
        suite_tasks(tmp_path)[0].read(genome)


def test_the_error_for_a_folder_without_a_task_lists_the_known_layouts(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"no task in this folder.*GUE: train\.csv.*GeneMask: 10\.tsv"):
        suite_tasks(tmp_path)


def test_the_suites_at_hand_are_read_whole(shared_data):
    tasks = {task.name: task for task in suite_tasks(shared_data / "gue")}
    assert sorted(tasks) == ["mouse_0", "mouse_2", "mouse_3", "prom_prom_core_tata", "tf_3"]
    train, test, dev = tasks["mouse_3"].read(Regions([]))
    assert (len(train.sequences), len(test.sequences), len(dev.sequences)) == (1904, 239, 239)
    names = [task.name for task in suite_tasks(shared_data / "genemask" / "fewshot")]
    assert [name for name in names if name.startswith("Prom-core")] == [
        f"Prom-core/{n}" for n in (10, 50, 100, 500, 1000)
    ]
    benchmarks = suite_tasks(shared_data / "genomic_benchmarks")
    assert {task.layout.suite for task in benchmarks} == {"Genomic Benchmarks"}
    assert np.isin(["human_nontata_promoters"], [task.name for task in benchmarks]).all()
