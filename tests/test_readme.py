"""The README's commands are real: every verb, option, recipe and file it names is there."""

import re
import shlex
from pathlib import Path

import pytest
import typer

from genomask.cli import app
from genomask.recipe import load_recipe

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = sorted(set(re.findall(r"(?:^|[`/\s])(genomask [a-z]+[^`\n|]*)", README.replace("\\\n", " "))))
VERBS = typer.main.get_command(app).commands


def commands() -> list[list[str]]:
    words = map(shlex.split, COMMANDS)
    return [command for command in words if command[1] in VERBS]


def test_the_readme_shows_the_main_verbs():
    assert {command[1] for command in commands()} >= {"pretrain", "fewshot", "compare", "demo"}


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_every_option_of_a_command_exists(command):
    known = {name for parameter in VERBS[command[1]].params for name in parameter.opts}
    assert {word for word in command if word.startswith("--")} <= known


def test_every_setting_that_is_shown_can_be_set():
    found = re.findall(r"--set (?:'([^']+)'|([^\s`)]+))", README)
    changes = [quoted or bare for quoted, bare in found]
    assert changes
    for change in changes:
        load_recipe("genome-tiny", [change])


def test_every_file_and_recipe_that_is_named_is_there():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
    for name in re.findall(r"`((?:genome|c4)-[a-z]+)`", README):
        load_recipe(name)
