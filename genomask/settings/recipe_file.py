"""A recipe's name or file and the changes to it in, tables of plain values out; recipe.py interprets them.

Nothing heavy is imported here, so that a mistyped name is reported at once.
"""

import os
import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from genomask.errors import SettingsError
from genomask.settings.ranges import shown
from genomask.settings.spelling import did_you_mean

DEFAULTS = {"genome": ("genome-fast", "genome-base"), "text": ("c4-fast", "c4-base")}
"""Kind of a recipe -> the default one, without a GPU and with one; docs/speedrun.md says why."""


OF_A_RUN = ("inputs", "mask_files", "from")
"""Tables in a run's config.toml, which is a recipe too, that hold no settings."""


def recipe_names() -> list[str]:
    """The recipes that come with the package."""
    folder = resources.files("genomask") / "recipes"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def default_recipe(kind: str, *, has_gpu: bool = False) -> str:
    """The recipe used where none is named."""
    return DEFAULTS[kind][has_gpu]


def read_tables(name: str | Path, changes: Sequence[str] = ()) -> dict[str, Any]:
    """The tables of a recipe by name or path, with changes such as 'training.steps=60' applied.

    Raises SettingsError for a recipe that is missing or not TOML, and for a change of another form.
    """
    tables = {room: table for room, table in _tables_of(name).items() if room not in OF_A_RUN}
    kind_of(tables, str(name))
    return apply_changes(tables, changes)


def apply_changes(tables: dict[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """Apply changes such as 'training.steps=60' to the tables. Raises SettingsError for one of another form."""
    for change in changes:
        _apply(tables, change)
    return tables


def kind_of(tables: Mapping[str, Any], where: str) -> str:
    """What the tables are a recipe for. Raises SettingsError, naming `where`, for an unknown kind."""
    kind = tables.get("kind")
    if isinstance(kind, str) and kind in DEFAULTS:
        return kind
    raise SettingsError(f"recipe {where}: kind must be one of {', '.join(DEFAULTS)}, got {shown(kind)}")


def _tables_of(name: str | Path) -> dict[str, Any]:
    known = recipe_names()
    source = resources.files("genomask") / "recipes" / f"{name}.toml" if name in known else Path(name)
    if name not in known and not os.path.isfile(name):
        what = f"{name} is a folder, not a recipe" if os.path.isdir(name) else f"there is no recipe {name}"
        raise SettingsError(f"{what}; give a .toml file or one of: {', '.join(known)}.{did_you_mean(name, known)}")
    try:
        return tomllib.loads(source.read_text(encoding="utf-8-sig"))  # some editors write a byte order mark
    except (ValueError, RecursionError) as error:  # not TOML, not UTF-8, a number of thousands of digits, deep brackets
        raise SettingsError(f"recipe {name} is not valid TOML: {error}") from error
    except OSError as error:
        raise SettingsError(
            f"recipe {name} cannot be read ({error.strerror}); check the file and its permissions."
        ) from error


def _apply(tables: dict[str, Any], change: str) -> None:
    """Apply one 'table.key=value' to the tables; a value that is not TOML is a string."""
    path, equals, text = change.partition("=")
    room, dot, key = path.strip().partition(".")
    if not (equals and dot and key):
        raise SettingsError(f"--set takes table.key=value, for example training.steps=60; got {shown(change)}")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):  # as above
        value = text.strip()
    table = tables.setdefault(room, {})
    if not isinstance(table, dict):
        raise SettingsError(f"--set {shown(change)}: {room} is not a table but a single value.")
    table[key] = value
