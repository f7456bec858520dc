"""What people install: the wheel is built, installed into an environment of its own, and runs."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from genomask.settings.recipe_file import recipe_names

ROOT = Path(__file__).parents[1]
NOT_OURS = shutil.ignore_patterns("__pycache__")
PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]

pytestmark = pytest.mark.slow


def run(*words, cwd):
    """What a command prints, run away from this checkout and without the environment's PYTHON* variables."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    answer = subprocess.run(
        list(map(str, words)), cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy: a build leaves folders beside its sources, and picks up what an earlier one left there."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT / "genomask", folder / "source" / "genomask", ignore=NOT_OURS)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "source")
    run(*PIP, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", folder, folder / "source", cwd=folder)
    (built,) = folder.glob("genomask-*.whl")
    return built


def test_every_file_of_the_package_is_in_the_wheel_and_no_other(wheel):
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    files = (path for path in (ROOT / "genomask").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    assert inside == {path.relative_to(ROOT).as_posix() for path in files}
    assert {"genomask/py.typed", "genomask/recipes/genome-tiny.toml"} <= inside
    assert any(name.endswith(".jinja") for name in inside)


def test_an_environment_of_the_wheel_and_its_dependencies_runs_the_command(wheel, tmp_path):
    venv.create(tmp_path / "fresh", with_pip=False)
    python = tmp_path / "fresh" / "bin" / "python"
    run(*PIP, "--python", python, "install", "--no-compile", "--no-deps", "--no-index", wheel, cwd=tmp_path)
    (packages,) = (tmp_path / "fresh" / "lib").glob("python*/site-packages")
    # dependencies are taken from here, not downloaded again; a path added this way runs no .pth files of its own
    (packages / "needed.pth").write_text(sysconfig.get_paths()["purelib"])
    assert "Simulate a genome" in run(tmp_path / "fresh" / "bin" / "genomask", "demo", "--help", cwd=tmp_path)
    program = "from genomask.settings import recipe_file as r; print(r.__file__, *r.recipe_names())"
    where, *recipes = run(python, "-c", program, cwd=tmp_path).split()
    assert Path(where).is_relative_to(tmp_path)
    assert recipes == recipe_names()
