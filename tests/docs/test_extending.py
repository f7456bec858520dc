"""docs/extending.md is true: its changes, made from its own text, work, and touch the files that it says."""

import json
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from walks import PAGE, Walk, make, patched, read_walks

ROOT = Path(__file__).parents[2]
TEXT = PAGE.read_text(encoding="utf-8")
WALKS = read_walks(TEXT)
MOST_FILES = {"a masking strategy": 1, "a tokenizer": 1, "a few-shot method": 1, "a verb": 1}
"""The most files of the package that each may touch; other changes may touch two."""


def write_inputs(folder: Path) -> None:
    """genome.fa, and a task in which one class has more G and C than the other."""
    rng = random.Random(0)
    (folder / "genome.fa").write_text(f">a\n{''.join(rng.choices('ACGT', k=8_000))}\n")
    for name in ("pool", "test"):
        rows = []
        for label in (0, 1) * 20:
            weights = (1, 1 + 3 * label, 1 + 3 * label, 1)
            rows.append(f"{''.join(rng.choices('ACGT', weights, k=40))}\t{label}")
        (folder / f"{name}.tsv").write_text("\n".join(["sequence\tlabel", *rows, ""]))


@pytest.mark.slow
def test_every_change_works_as_the_page_has_it(tmp_path):
    """All walks run in one copy of the package and one process, hence one test: two could go to two processes."""
    shutil.copytree(ROOT / "genomask", tmp_path / "genomask")
    write_inputs(tmp_path)
    for walk in WALKS:
        make(walk, tmp_path)
    command = [sys.executable, str(Path(__file__).with_name("walks.py")), str(tmp_path)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    outcome = json.loads((tmp_path / "outcome.json").read_text())
    assert list(outcome) == [walk.title for walk in WALKS]
    assert not any(outcome.values()), "\n".join(f"{title}: {failure}" for title, failure in outcome.items() if failure)


@pytest.mark.parametrize("walk", WALKS, ids=lambda walk: walk.title)
def test_the_page_names_the_files_it_touches_and_counts_them(walk: Walk):
    kind = walk.title[0].lower() + walk.title[1:]
    assert 1 <= len(walk.touched) <= MOST_FILES.get(kind, 2)
    row = re.search(rf"^\| \[{kind}\]\(#(\S+)\) \| (\d) \|", TEXT, re.MULTILINE)
    assert row, f"the table has no row of {kind}"
    assert int(row[2]) == len(walk.touched)
    assert row[1] == re.sub(r"[^a-z0-9-]", "", f"{WALKS.index(walk) + 1} {kind}".replace(" ", "-"))
    assert re.search(r"\*\*(One|Two) files?\*\*", walk.text)[1] == ["One", "Two"][len(walk.touched) - 1]


def test_a_diff_is_applied_where_its_lines_stand_once():
    assert patched("a\nb\nc\n", " b\n+x\n") == "a\nb\nx\nc\n"
    assert patched("a\nb\nc\n", "-b\n+x\n") == "a\nx\nc\n"
    for text in ("a\nb\nc\nb\n", "a\n"):
        with pytest.raises(AssertionError, match="times in the file"):
            patched(text, "-b\n+x\n")
