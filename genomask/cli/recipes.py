"""How several verbs read --recipe and --set, checked before torch is imported."""

from collections.abc import Sequence

from genomask.errors import SettingsError
from genomask.files import inputs
from genomask.settings.recipe_file import apply_changes, default_recipe, read_tables


def look_at(kind: str, recipe: str, changes: list[str], strategies: Sequence[str]) -> None:
    """Raises SettingsError for an invalid recipe, change or strategy, before anything heavy is imported."""
    tables = read_tables(recipe or default_recipe(kind), changes)
    if tables["kind"] != kind:
        raise SettingsError(f"recipe {recipe} is for {tables['kind']}; this command needs one for {kind}.")
    masking = tables.get("masking")
    of_recipe = masking.get("strategy") if isinstance(masking, dict) else None
    inputs.require_strategies([*strategies, of_recipe] if isinstance(of_recipe, str) else strategies)


def with_options(changes: Sequence[str], options: dict[str, tuple[str, str]]) -> list[str]:
    """The changes, and options that stand for settings, written as for --set; empty options are left out.

    `options`: name -> the setting and its value. Raises SettingsError where --set gives that setting another value.
    """
    set_to = apply_changes({}, changes)
    for option, (setting, value) in options.items():
        room, _, key = setting.partition(".")
        said = set_to.get(room, {}).get(key)
        if value and said not in (None, value):
            raise SettingsError(f"{option} {value} and --set {setting}={said} contradict each other; give one of them.")
    return [*changes, *(f"{setting}={value}" for setting, value in options.values() if value)]
