"""The arrow: rooms import only from rooms before them, nothing unsafe is loaded, and help needs no torch."""

import ast
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = runpy.run_path(str(Path(__file__).parents[1] / "docs" / "architecture.py"))
PACKAGE, ROOMS = SCRIPT["PACKAGE"], SCRIPT["ROOMS"]
room_of, module_of, imported_modules = SCRIPT["room_of"], SCRIPT["module_of"], SCRIPT["imported_modules"]
ENTRANCES = {"__init__", "__main__"}  # of the package: the first imports only auto_classes, the second may import all
FILES = sorted(PACKAGE.rglob("*.py"))


def allowed(room: str) -> set[str]:
    """The rooms that `room` may import from, besides itself."""
    if room == "__init__":
        return {"auto_classes"}  # which loads nothing: it names our classes to transformers
    if room == "__main__":
        return set(ROOMS)
    before = {"errors", "types", "machine"} if room == "encoders" else set(ROOMS[: ROOMS.index(room)])
    return before | {"__init__", "__version__"}  # the package itself is a leaf: it loads nothing


def imports_against_the_arrow(source: str, path: Path) -> set[str]:
    room = room_of(module_of(path)) if path.parent != PACKAGE else path.stem
    return {imported for name in imported_modules(ast.parse(source), path)
            if (imported := room_of(name)) not in allowed(room) | {room}}  # fmt: skip


def unsafe_loads(source: str) -> set[str]:
    """Ways to run code that a file from elsewhere carries."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {alias.name for alias in node.names} | {getattr(node, "module", None)}
            found |= names & {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
        if isinstance(node, ast.Call):
            keywords = {word.arg: getattr(word.value, "value", None) for word in node.keywords}
            if "trust_remote_code" in keywords and keywords["trust_remote_code"] is not False:
                found.add("trust_remote_code")
            if ast.unparse(node.func) == "torch.load" and keywords.get("weights_only") is not True:
                found.add("torch.load without weights_only=True")
            if keywords.get("allow_pickle"):
                found.add("allow_pickle")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_imports_only_rooms_before_its_own_and_loads_nothing_unsafe(path):
    source = path.read_text(encoding="utf-8")
    assert imports_against_the_arrow(source, path) == set()
    assert unsafe_loads(source) == set()


def test_every_room_has_its_place_in_the_arrow():
    rooms = {path.stem for path in PACKAGE.glob("*.py")} | {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert rooms - ENTRANCES <= set(ROOMS)


def test_no_module_is_part_of_an_import_cycle():
    modules = {module_of(path): path for path in FILES}
    graph = {name: {target for imported in imported_modules(ast.parse(path.read_text(encoding="utf-8")), path)
                    if (target := nearest_module(imported, modules)) != name}
             for name, path in modules.items()}  # fmt: skip
    finished: set[str] = set()

    def walk(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, " -> ".join([*above[above.index(name) :], name])
        if name not in finished:
            for target in sorted(graph[name]):
                walk(target, (*above, name))
            finished.add(name)

    for name in graph:
        walk(name, ())


def nearest_module(imported: str, modules: dict[str, Path]) -> str:
    """genomask.data.Genome -> genomask.data: the module that an imported name belongs to."""
    while imported not in modules:
        imported = imported.rpartition(".")[0]
    return imported


def test_the_checks_find_what_they_should():
    encoder = PACKAGE / "encoders" / "model.py"
    assert imports_against_the_arrow("from genomask.data import Genome", encoder) == {"data"}
    assert imports_against_the_arrow("def f():\n    import genomask.inference.hub", encoder) == {"inference"}
    assert imports_against_the_arrow("from ..training import loop", encoder) == {"training"}
    assert imports_against_the_arrow("from genomask import hashing", encoder) == {"hashing"}
    assert imports_against_the_arrow("from genomask.types import IGNORE\nfrom .alibi import slopes", encoder) == set()
    assert imports_against_the_arrow("from genomask.cli.app import main", PACKAGE / "data" / "x.py") == {"cli"}
    assert unsafe_loads("import torch\ntorch.load('x')") == {"torch.load without weights_only=True"}
    assert unsafe_loads("torch.load('x', weights_only=True)") == set()
    assert unsafe_loads("from pickle import load") == {"pickle"}
    assert unsafe_loads("AutoModel.from_pretrained('x', trust_remote_code=True)") == {"trust_remote_code"}


HELP = """
import sys
from genomask.cli.app import main
sys.argv = ["genomask", "--help"]
try:
    main()
except SystemExit as end:
    assert end.code in (0, None), end.code
heavy = {"torch", "transformers", "numba", "pandas", "matplotlib", "sklearn", "datasets"}
print(sorted(heavy & set(sys.modules)), file=sys.stderr)
"""


def test_help_is_printed_without_loading_torch_or_anything_else_heavy():
    answer = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert "pretrain" in answer.stdout
    assert answer.stderr.strip() == "[]"
