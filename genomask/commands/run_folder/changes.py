"""Which settings a resumed run may change, and which it may not: the recipe asked for in, what changed out.

Settings that do not change the science may change: the run's length, how often it logs, saves and is scored, how a step
is cut, and where it is computed. Any other change is refused, with both values.
"""

from dataclasses import asdict, replace
from pathlib import Path
from shlex import quote
from typing import Any, NamedTuple

from genomask.commands.run_folder.folder import CONFIG, read_config, steps_done
from genomask.data.opening import Inputs
from genomask.errors import SettingsError, counted
from genomask.recipe import Recipe, toml_value
from genomask.training.environment import first_precision

STEPS = "training.steps"
MAY_CHANGE = (
    *(STEPS, "training.log_every", "training.checkpoint_every", "evaluation.every", "training.tokens_per_microbatch"),
    *("training.workers", "training.device", "training.compile", "encoder.attention_backend"),
)


class Change(NamedTuple):
    """A setting by name, with its old and its new value."""

    name: str
    was: Any
    now: Any

    @property
    def sentence(self) -> str:
        """For the log."""
        what = f"{self.name} was {toml_value(self.was)} and is {toml_value(self.now)} from here on"
        if self.name != STEPS:
            return what
        return f"{what}: the learning rate and any curriculum continue as in a run of {counted(self.now, 'step')}"


def check_settings(out: Path, recipe: Recipe, inputs: Inputs, *, same_length: bool = False) -> list[Change]:
    """The settings that the run in `out` would change from now on; `same_length`: its steps may not change.

    A run begun with training.precision=auto may resume with what that meant then; on another machine it may differ.
    Raises SettingsError for settings that may not change, and for a new number of steps no greater than those done.
    """
    old, old_inputs = read_config(out)
    if old.training.precision == "auto" and recipe.training.precision == first_precision(out):
        old = replace(old, training=replace(old.training, precision=recipe.training.precision))
    before, now = _values(old, old_inputs), _values(recipe, inputs)
    changes = [Change(name, before.get(name), now.get(name)) for name in before | now]
    changes = [change for change in changes if change.was != change.now]
    for name, was, asked in changes:
        if name not in MAY_CHANGE or (same_length and name == STEPS):
            raise SettingsError(
                f"{out} holds a run with other settings ('{name} = {toml_value(was)}' there, '{name} = "
                f"{toml_value(asked)}' asked for); resume it with the same ones{_where(out, name)}, or give another "
                "--out."
            )
    done = steps_done(out)
    if any(change.name == STEPS for change in changes) and recipe.training.steps <= done:
        raise SettingsError(
            f"{out} holds a run with {counted(done, 'step')} done and saved; ask for more than that with "
            f"--set {STEPS}=STEPS, not for {recipe.training.steps}, or give another --out."
        )
    return changes


def _where(out: Path, name: str) -> str:
    """Where to find a run's settings without typing them again; its inputs are not settings."""
    return "" if name == "kind" or name.startswith("inputs.") else f" (--recipe {quote(str(out / CONFIG))})"


def _values(recipe: Recipe, inputs: Inputs) -> dict[str, Any]:
    """Every setting by its full name. Where files lie may change, as long as their fingerprint does not."""
    rooms = asdict(recipe.absolute())
    found = {f"{room}.{name}": value for room, settings in rooms.items() for name, value in settings.items()}
    return {"kind": recipe.kind, **found, "inputs.ambiguous": inputs.ambiguous, "inputs.weights": inputs.weights}
