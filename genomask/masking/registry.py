"""The table of masking strategies: a decorated function in, a strategy that can be built by name out.

    @register("every-third")
    def every_third(view: MaskView, *, phase: int = 0) -> Tensor:
        return (view.grid.position % 3 == phase) & view.grid.maskable

Keyword parameters with defaults are the strategy's own settings: `every-third:phase=1` in recipes and on the command
line.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from torch import Tensor

from genomask.errors import SettingsError
from genomask.masking.loops import Loop


class Strategy(Protocol):
    """Chooses what to hide."""

    def select(self, input_ids: Tensor, cu_seqlens: Tensor, keys: Tensor) -> Tensor:
        """(T,) int32 of packed ids (T,): 0 visible, n > 0 the number of the span, from 1 in each sequence."""


Select = Callable[..., Tensor]
"""From a MaskView, and the strategy's own parameters by name, to the maskable tokens to mask, as (T,) bool."""
Chance = Callable[..., float]
"""From the asked rate, the TokenBases, and those of the strategy's own parameters that it names, to the probability of
its elementary draw (a token, a centre ...)."""
Formula = Callable[..., float | None]
"""The same, or None where it holds for other vocabularies only."""


@dataclass(frozen=True)
class StrategySpec:
    """A strategy as registered."""

    name: str
    select: Select
    published: Chance
    """The chance as its authors set it, used with match="none"."""
    exact: Formula | None
    """The chance that gives the asked share of tokens at every length; without one it is found by simulation."""
    units: Literal["any", "dna", "text"]
    needs_npmi: bool
    needs_windows: bool
    """What it masks depends so much on the sequence that its chance is solved on windows of the genome itself."""
    uneven: bool
    """Its share jumps from one length to the next, so its chance is solved at every short length."""
    loop: Loop | None
    """The same mask as a compiled loop, for a CPU; without one `select` masks there too."""
    parameters: dict[str, object]
    """Its own settings and their defaults."""
    source: str = ""
    """Fingerprint of the file it comes from; empty for those of the house."""


STRATEGIES: dict[str, StrategySpec] = {}


def register(
    name: str,
    *,
    published: Chance = lambda rate, tokens: rate,
    exact: Formula | None = None,
    units: Literal["any", "dna", "text"] = "any",
    needs_npmi: bool = False,
    needs_windows: bool = False,
    uneven: bool = False,
    loop: Loop | None = None,
) -> Callable[[Select], Select]:
    """Make the decorated function available to build_strategy under `name`."""

    def add(select: Select) -> Select:
        parameters = settings_of(select, f"masking strategy {name!r}")
        kind = units, needs_npmi, needs_windows, uneven
        STRATEGIES[name] = StrategySpec(name, select, published, exact, *kind, loop, parameters)
        return select

    return add


def settings_of(function: Callable, what: str) -> dict[str, object]:
    """Keyword-only parameters of a function and their defaults. Raises SettingsError for one that has no simple one."""
    found: dict[str, object] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            continue
        if not isinstance(parameter.default, int | float | str):
            raise SettingsError(
                f"{what}: its parameter {name!r} needs a default that is a number, a string, True or False."
            )
        found[name] = parameter.default
    return found
