import gzip
import runpy
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from genomask.data.genome import Genome
from genomask.data.tasks import read_task

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def example():
    import typer

    module = runpy.run_path(str(EXAMPLES / "coding_or_intergenic.py"))
    app = typer.Typer()
    app.command()(module["main"])
    return app


@pytest.fixture
def records():
    rng = np.random.default_rng(0)
    return {name: "".join(rng.choice(list("ACGT"), 3_000)) for name in ("I", "II")}


@pytest.fixture
def genome(records, tmp_path):
    path = tmp_path / "genome.fa"
    path.write_text("".join(f">{name}\n{bases}\n" for name, bases in records.items()))
    return path


def a_gtf(path, names):
    """Two genes with one CDS each on every record, at the same places."""
    lines = [
        f"{name}\tx\t{kind}\t{start}\t{stop}\t.\t+\t.\tgene_id \"{name}{start}\";\n"
        for name in names
        for start, stop in ((501, 900), (1_501, 1_900))
        for kind in ("gene", "CDS")
    ]  # fmt: skip
    path.write_bytes(gzip.compress("".join(lines).encode()))
    return path


def test_the_task_has_both_classes_and_keeps_its_chromosomes_apart(example, records, genome, tmp_path):
    gtf = a_gtf(tmp_path / "genes.gtf.gz", records)
    arguments = [str(genome), str(gtf), "--test-records", "II", "--out", str(tmp_path / "task")]
    result = CliRunner().invoke(example, arguments)
    assert result.exit_code == 0, result.output
    for name, record in (("pool", "I"), ("test", "II")):
        task = read_task(tmp_path / "task" / f"{name}.tsv")
        assert task.classes == ["0", "1"]
        assert np.bincount(task.labels).tolist() == [2, 2]
        for sequence, label in zip(task.sequences, task.labels, strict=True):
            at = records[record].index(sequence)
            inside = any(start <= at and at + 200 <= stop for start, stop in ((500, 900), (1_500, 1_900)))
            assert inside == bool(label)
    assert Genome.open(genome).names == ["I", "II"]


def test_records_of_another_spelling_are_found_and_unknown_ones_left_out(example, genome, tmp_path):
    plain = a_gtf(tmp_path / "plain.gtf.gz", ("I", "II"))
    spelt = a_gtf(tmp_path / "spelt.gtf.gz", ("chrI", "chrII", "chr_random"))
    tasks = []
    for gtf, held_out in ((plain, "II"), (spelt, "chrII")):
        out = tmp_path / gtf.stem
        result = CliRunner().invoke(example, [str(genome), str(gtf), "--test-records", held_out, "--out", str(out)])
        assert result.exit_code == 0, result.output
        assert ("chr_random" in result.output) == (gtf == spelt)
        tasks.append([(out / name).read_text() for name in ("pool.tsv", "test.tsv")])
    assert tasks[0] == tasks[1]


def test_a_test_record_that_the_genome_lacks_is_one_clear_error(example, genome, tmp_path):
    gtf = a_gtf(tmp_path / "genes.gtf.gz", ("I", "II"))
    arguments = [str(genome), str(gtf), "--test-records", "XV", "--out", str(tmp_path / "task")]
    result = CliRunner().invoke(example, arguments, env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert "no record 'XV'" in result.output
    assert not (tmp_path / "task").exists()
