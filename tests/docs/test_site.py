"""The site has every page: what mkdocs.yml lists is there, and what is in docs/ is listed."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONFIG = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")


def test_the_navigation_has_every_page_and_no_other():
    listed = re.findall(r": (\S+\.md)$", CONFIG, re.MULTILINE)
    pages = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md"]
    assert sorted(listed) == sorted(pages + [f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")])
