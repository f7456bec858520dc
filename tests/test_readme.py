"""The commands of the README and of docs/ are real: every verb, option, recipe and file they name is there."""

import re
import shlex
from pathlib import Path

import pytest
import typer

from genomask.cli.app import app
from genomask.recipe import load_recipe

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
RUN_ELSEWHERE = "extending.md"
"""Its commands need a changed package: tests/docs/test_extending.py runs them."""
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in PAGES if page.name != RUN_ELSEWHERE)
COMMANDS = sorted(set(re.findall(r"(?:^|[`/\s])(genomask [a-z]+[^`\n|#]*)", TEXT.replace("\\\n", " "))))
VERBS = typer.main.get_command(app).commands


def commands() -> list[list[str]]:
    words = map(shlex.split, COMMANDS)
    return [command for command in words if command[1] in VERBS]


def options_of(command: list[str]) -> set[str]:
    """The options of the verb; in a group of verbs, of the one that is named, or of `count` if none is."""
    verb = VERBS[command[1]]
    if hasattr(verb, "commands"):
        verb = verb.commands.get(command[2] if len(command) > 2 else "", verb.commands.get("count", verb))
    return {name for parameter in verb.params for name in parameter.opts}


def test_the_main_verbs_are_shown():
    assert {command[1] for command in commands()} >= {"pretrain", "fewshot", "compare", "demo", "masks", "variants"}


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_every_option_of_a_command_exists(command):
    assert {word for word in command if word.startswith("--")} <= options_of(command)


def test_a_command_that_trains_names_its_recipe():
    lines = re.findall(r"^.*genomask (?:pretrain|compare) --genome .*$", TEXT.replace("\\\n", " "), re.MULTILINE)
    code = [line for line in lines if "`" not in line]
    assert len(code) > 5
    assert [line for line in code if "--recipe" not in line] == []  # the default depends on the machine, and changed


def test_every_setting_shown_can_be_set():
    found = re.findall(r"--set (?:'([^']+)'|([^\s`)]+))", TEXT)
    changes = [quoted or bare for quoted, bare in found]
    assert changes
    for change in changes:
        load_recipe("c4-tiny" if change.startswith("documents.") else "genome-tiny", [change])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_and_recipe_that_is_named_is_there(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert target.startswith("https://") or (page.parent / target).exists(), target
    for name in re.findall(r"`((?:genome|c4)-[a-z]+)`", text):
        load_recipe(name)
