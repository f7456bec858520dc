"""What pretraining could see of a test, including the pretraining of a model that the run continued from."""

import random
import shutil
from pathlib import Path

import pytest

from genomask.commands.run_folder.folder import Facts, write_config
from genomask.commands.run_folder.leaks import seen_by_model
from genomask.commands.run_folder.origin import read_model
from genomask.data.opening import Inputs


@pytest.fixture
def run_on(quick_recipe, model_folder, tmp_path):
    """Make the folder of a run on its own genome, with a model in it; returns model and genome."""

    def make(name: str, origin: Path | None = None) -> tuple[Path, str]:
        genome = "".join(random.Random(name).choices("ACGT", k=20_000))
        (tmp_path / f"{name}.fa").write_text(f">{name}\n{genome}\n")
        shutil.copytree(model_folder, tmp_path / name / "model")
        facts = Facts("", {}, read_model(origin, "genome") if origin else None)
        write_config(tmp_path / name, quick_recipe, Inputs(genome=(str(tmp_path / f"{name}.fa"),)), facts)
        return tmp_path / name / "model", genome

    return make


def pieces(genome):
    return [genome[at : at + 60] for at in range(0, len(genome) - 60, 600)]


def test_sequences_seen_by_the_model_a_run_continued_from_count_too(run_on):
    first, one = run_on("first")
    second, other = run_on("second", origin=first)
    test = pieces(one) + pieces(other)
    n_of_first = seen_by_model(first, test).leaks.found.sum()
    lookup = seen_by_model(second, test)
    assert n_of_first > len(pieces(one)) / 2
    assert lookup.leaks.found[: len(pieces(one))].sum() == n_of_first
    assert lookup.leaks.found[len(pieces(one)) :].sum() > len(pieces(other)) / 2
    assert f"It continued from {first}: {n_of_first} of {len(test)} test sequences are in the bases" in lookup.sentence


def test_an_origin_that_is_gone_is_reported(run_on):
    first, _ = run_on("first")
    second, genome = run_on("second", origin=first)
    shutil.rmtree(first)
    lookup = seen_by_model(second, pieces(genome))
    assert lookup.leaks.found.any()
    assert f"It continued from {first}: it is gone" in lookup.sentence
    first.mkdir()
    (first / "config.json").write_text("{}")  # it holds another model now
    assert "it is gone" in seen_by_model(second, pieces(genome)).sentence
