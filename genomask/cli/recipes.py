"""What several verbs make of --recipe and --set, looked at before torch is imported."""

from collections.abc import Sequence

from genomask.errors import SettingsError
from genomask.files import inputs
from genomask.settings.recipe_file import default_recipe, read_tables


def look_at(kind: str, recipe: str, changes: list[str], strategies: Sequence[str]) -> None:
    """Raises SettingsError for a recipe, a change or a strategy that cannot be, before anything heavy is imported."""
    tables = read_tables(recipe or default_recipe(kind), changes)
    if tables["kind"] != kind:
        raise SettingsError(f"recipe {recipe} is for {tables['kind']}; this command needs one for {kind}.")
    masking = tables.get("masking")
    of_recipe = masking.get("strategy") if isinstance(masking, dict) else None
    inputs.require_strategies([*strategies, of_recipe] if isinstance(of_recipe, str) else strategies)


def changes_of(asked: dict[str, str]) -> list[str]:
    """Options that stand for settings, as --set would have them; an empty one is none."""
    return [f"{key}={value}" for key, value in asked.items() if value]
