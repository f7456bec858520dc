"""docs/architecture.md is true: its picture shows the imports, its table has every room, and its names exist."""

import ast
import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
SCRIPT = runpy.run_path(str(ROOT / "docs" / "architecture.py"))
ROOMS = SCRIPT["ROOMS"]
NAMES = sorted(set(re.findall(r"`(genomask\.[\w.]+)`", TEXT)))


def test_the_picture_shows_the_imports():
    drawn = (ROOT / "docs" / "images" / "architecture.svg").read_text(encoding="utf-8")
    assert drawn == SCRIPT["picture"](), "draw it again: python docs/architecture.py"
    assert all(f">{room}</text>" in drawn for room in ROOMS)


def test_every_dot_lies_left_of_the_diagonal():
    imports = SCRIPT["imports"]()
    assert ("commands", "training") in imports
    assert [(room, other) for room, other in imports if ROOMS.index(other) > ROOMS.index(room)] == []


def test_the_table_has_every_room_once():
    first_cells = [line.split("|")[1] for line in TEXT.splitlines() if line.startswith("| `")]
    named = [room for cell in first_cells for room in re.findall(r"`(\w+)`", cell)]
    assert sorted(named) == sorted(ROOMS)


def defines(path: Path, name: str) -> bool:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        targets = getattr(node, "targets", [getattr(node, "target", node)])
        if name in {getattr(target, "name", getattr(target, "id", None)) for target in targets}:
            return True
    return False


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_that_of_a_module_or_in_one(name):
    path = ROOT / name.replace(".", "/")
    assert path.is_dir() or path.with_suffix(".py").is_file() or defines(path.parent.with_suffix(".py"), path.name)
