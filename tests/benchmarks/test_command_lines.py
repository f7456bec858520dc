"""Typer knows every option of the scripts of benchmarks/, and each that writes a result takes --out."""

import inspect
import re
from pathlib import Path

import pytest
import typer
from typer.main import get_command

FILES = sorted((Path(__file__).parents[2] / "benchmarks").glob("*.py"))
SCRIPTS = [path.stem for path in FILES if re.search(r"^    run_script\(main\)$", path.read_text("utf-8"), re.M)]


@pytest.mark.parametrize("name", [name for name in SCRIPTS if not name.startswith("gpu_")])  # the rehearsal runs those
def test_every_option_of_a_script_is_understood(script, name, capsys):
    try:
        main = script(name).main
    except SystemExit:
        pytest.skip(capsys.readouterr().err.strip())  # what is missing, and what installs it
    app = typer.Typer(add_completion=False)
    app.command()(main)
    parameters = set(inspect.signature(main).parameters)
    assert {parameter.name for parameter in get_command(app).params} == parameters
    assert name == "machine" or "out" in parameters  # a toy run must not replace a published result
