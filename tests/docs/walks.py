"""The walks of docs/extending.md: their blocks, taken from the page, written into a copy of the package, and run.

As a script it runs every walk in one process, because torch takes seconds to import:

    python walks.py FOLDER    (FOLDER holds the changed copy of the package, and becomes the working folder)
"""

import contextlib
import io
import json
import os
import re
import shlex
import sys
import traceback
from pathlib import Path
from typing import NamedTuple

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"
FENCE = re.compile(r'^```(?P<language>\w+)(?: title="(?P<file>[^"]+)")?\n(?P<text>.*?)^```$', re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """What stands between two fences."""

    language: str
    file: str
    """The file that it is written to or, for a diff, applied to; empty for a block that is run."""
    text: str


class Walk(NamedTuple):
    """One section of the page."""

    title: str
    text: str
    blocks: list[Block]

    @property
    def touched(self) -> list[str]:
        """The files of the package that it writes or changes."""
        return sorted({block.file for block in self.blocks if block.file.startswith("genomask/")})


def read_walks(page: str) -> list[Walk]:
    """The numbered sections of the page."""
    sections = re.split(r"^## \d+\. (.*)\n", page, flags=re.MULTILINE)[1:]
    titles, texts = sections[::2], sections[1::2]
    return [
        Walk(title, text, [Block(*("" if part is None else part for part in found)) for found in FENCE.findall(text)])
        for title, text in zip(titles, texts, strict=True)
    ]


def make(walk: Walk, folder: Path) -> None:
    """Write and change the files that a walk names."""
    for block in walk.blocks:
        path = folder / block.file
        if block.file and block.language == "diff":
            path.write_text(patched(path.read_text(encoding="utf-8"), block.text), encoding="utf-8")
        elif block.file:
            assert not path.exists(), f"{block.file} is there already: a new file must have a name of its own"
            path.write_text(block.text, encoding="utf-8")


def patched(text: str, diff: str) -> str:
    """The text with the diff's old lines (`-` and blank), which must stand in it once, replaced by its new ones."""
    lines = diff.splitlines(keepends=True)
    before = "".join(line[1:] for line in lines if line[0] in " -")
    after = "".join(line[1:] for line in lines if line[0] in " +")
    assert text.count(before) == 1, f"these lines stand {text.count(before)} times in the file:\n{before}"
    return text.replace(before, after)


def run(walk: Walk) -> None:
    """Run the commands and checks of a walk in order; raises if one fails or expected output is missing."""
    said = ""
    for block in walk.blocks:
        if block.file:
            continue
        if block.language == "sh":
            said = "".join(map(run_command, commands_of(block.text)))
        elif block.language == "text":
            for line in block.text.splitlines():
                assert line in said.splitlines(), f"{line!r} is not in what the command printed:\n{said}"
        else:
            assert block.language == "python", f"a block of {block.language} is neither written nor run"
            exec(compile(block.text, walk.title, "exec"), {})


def commands_of(text: str) -> list[list[str]]:
    return [shlex.split(line) for line in text.replace("\\\n", " ").splitlines()]


def run_command(words: list[str]) -> str:
    """What `genomask ...` prints on both streams; AssertionError if it fails."""
    from genomask.cli.app import main

    assert words[0] == "genomask", words
    sys.argv, said = words, io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            main()
        except SystemExit as end:
            code = end.code
    assert not code, f"{shlex.join(words)} ended with {code}:\n{said.getvalue()}"
    return said.getvalue()


def failures(walks: list[Walk]) -> dict[str, str]:
    """What went wrong in each walk, by its title; empty where nothing did."""
    found = {}
    for walk in walks:
        try:
            run(walk)
            found[walk.title] = ""
        except Exception:  # noqa: BLE001  the test that bears its name shows it
            found[walk.title] = traceback.format_exc()
    return found


if __name__ == "__main__":
    os.chdir(sys.argv[1])
    sys.path.insert(0, sys.argv[1])
    import genomask

    assert Path(genomask.__file__).is_relative_to(sys.argv[1]), "the changed copy is what runs"
    outcome = failures(read_walks(PAGE.read_text(encoding="utf-8")))
    Path("outcome.json").write_text(json.dumps(outcome), encoding="utf-8")
