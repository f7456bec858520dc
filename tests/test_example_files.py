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


def test_the_task_has_both_classes_and_keeps_its_chromosomes_apart(example, tmp_path):
    rng = np.random.default_rng(0)
    records = {name: "".join(rng.choice(list("ACGT"), 3_000)) for name in ("I", "II")}
    genome = tmp_path / "genome.fa"
    genome.write_text("".join(f">{name}\n{bases}\n" for name, bases in records.items()))
    gtf = tmp_path / "genes.gtf.gz"
    lines = [
        f"{name}\tx\t{kind}\t{start}\t{stop}\t.\t+\t.\tgene_id \"{name}{start}\";\n"
        for name in records
        for start, stop in ((501, 900), (1_501, 1_900))
        for kind in ("gene", "CDS")
    ]  # fmt: skip
    gtf.write_bytes(gzip.compress("".join(lines).encode()))
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
