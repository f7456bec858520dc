"""Habits of the tests themselves: they mirror the package, and use only what its users may use."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PACKAGE, BENCHMARKS = TESTS.parent / "genomask", TESTS.parent / "benchmarks"
FILES = sorted(TESTS.rglob("*.py"))

OF_THE_WHOLE = {
    "architecture", "cluster_page", "every_setting", "example_files", "habits", "readme", "second_device",
    "stream_from_hub", "wheel",
}  # fmt: skip
"""Test files that look at all rooms, or at what lies beside the package."""

NO_ROOMS = {"benchmarks", "conformance", "docs", "fuzz"}
"""Folders of tests that mirror no room."""

THEIRS = {"_attn_implementation"}
"""Names that the package sets because transformers reads them."""


def mirrors(path: Path) -> bool:
    """Whether a test file has its module, or lies in the folder of a room (or of a part of one)."""
    folder, name = path.relative_to(TESTS).parent, path.stem.removeprefix("test_")
    if folder == Path():
        return name in OF_THE_WHOLE or (PACKAGE / f"{name}.py").is_file()
    return folder.parts[0] in NO_ROOMS or (PACKAGE / folder).is_dir()


def is_private(name: str) -> bool:
    return re.fullmatch(r"_[a-zA-Z0-9]\w*", name) is not None


@cache
def private_names() -> set[str]:
    """Every name with one leading underscore that the package or the benchmarks define: functions, classes, values."""
    found = set()
    for path in [*PACKAGE.rglob("*.py"), *BENCHMARKS.glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                found.add(node.name)
            elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
                found.add(node.id if isinstance(node, ast.Name) else node.attr)
    return set(filter(is_private, found)) - THEIRS


def reached(source: str, private: set[str]) -> set[str]:
    """Private names that a file takes from elsewhere: as an attribute, by an import, or in the string of a patch."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) not in ("self", "cls"):
            found.add(node.attr)
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("setattr"):
            words = [word.value for word in node.args if isinstance(word, ast.Constant)]
            found |= {word.rpartition(".")[2] for word in words if isinstance(word, str)}
    return found & private


@pytest.mark.parametrize("path", [path for path in FILES if path.name.startswith("test_")], ids=lambda path: path.stem)
def test_a_test_file_mirrors_a_room_or_a_module(path):
    assert mirrors(path)


def test_no_two_test_files_have_the_same_name():
    """pytest imports them by name, and would refuse the second."""
    names = [path.name for path in FILES if path.name.startswith("test_") and "stand_ins" not in path.parts]
    assert sorted(set(names)) == sorted(names)


def test_no_test_reaches_into_private_names():
    private = private_names()
    found = {path.relative_to(TESTS): reached(path.read_text(encoding="utf-8"), private) for path in FILES}
    assert {path: names for path, names in found.items() if names} == {}


def test_the_checks_find_what_they_should():
    assert not mirrors(TESTS / "test_nothing.py")
    assert not mirrors(TESTS / "nowhere" / "test_fasta.py")
    assert mirrors(TESTS / "data" / "tokenizers" / "test_kmer.py")
    assert reached("from genomask.data.lines import _split", {"_split"}) == {"_split"}
    assert reached("lines._split(1)\nself._own\nrow._replace(a=1)", {"_split", "_own"}) == {"_split"}
    assert reached("monkeypatch.setattr('genomask.files.cache._stamp', 1)", {"_stamp"}) == {"_stamp"}
    assert "_stamp" in private_names()
