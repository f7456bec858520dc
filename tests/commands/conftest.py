"""A small simulated genome, its task, and a recipe that trains in seconds."""

from pathlib import Path

import pytest
from fork_server import fork_server
from quick_settings import QUICK

from genomask.commands.demo.simulate import SimulatedFiles, SimulationSettings, simulate
from genomask.data.opening import Inputs
from genomask.recipe import GenomeRecipe, load_recipe


@pytest.fixture
def forked_arms(monkeypatch: pytest.MonkeyPatch) -> None:
    """The arms of a comparison start from the fork server."""
    context = fork_server()
    monkeypatch.setattr("genomask.commands.compare.workers.multiprocessing.get_context", lambda _kind: context)


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> SimulatedFiles:
    settings = SimulationSettings(bases=60_000, pool_sequences=200, test_sequences=100)
    return simulate(tmp_path_factory.mktemp("simulated"), 0, settings)


@pytest.fixture(scope="session")
def inputs(simulated: SimulatedFiles) -> Inputs:
    return Inputs(genome=(str(simulated.genome),))


@pytest.fixture(scope="session")
def quick_recipe() -> GenomeRecipe:
    recipe = load_recipe("genome-demo", QUICK)
    assert isinstance(recipe, GenomeRecipe)
    return recipe


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    return tmp_path / "run"
