"""The site has every page and every public name: what is listed is there, and what is there is listed."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONFIG = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")


def test_the_navigation_has_every_page_and_no_other():
    listed = re.findall(r": (\S+\.md)$", CONFIG, re.MULTILINE)
    pages = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md"]
    assert sorted(listed) == sorted(pages + [f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")])


@pytest.mark.parametrize("room", ["data", "masking", "encoders"])
def test_the_reference_has_every_public_name_of_a_room(room):
    shown = set(re.findall(r"[\w.]+", (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")))
    tree = ast.parse((ROOT / "genomask" / room / "__init__.py").read_text(encoding="utf-8"))
    (public,) = (ast.literal_eval(node.value) for node in tree.body
                 if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__")  # fmt: skip
    assert [
        name for name in public if not {name, f"genomask.{room}.{name}", f"genomask.{room}.npmi.{name}"} & shown
    ] == []
