"""The table of masking strategies: a decorated function in, a strategy that can be built by name out.

    @register("every-third")
    def every_third(view: MaskView, *, phase: int = 0) -> Tensor:
        return (view.grid.position % 3 == phase) & view.grid.maskable

Keyword parameters with defaults are the strategy's own settings: `every-third:phase=1` in recipes and on the command
line.
"""

import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

import numpy as np
from torch import Tensor

from genomask.errors import SettingsError
from genomask.masking.loops import Loop

Units = Literal["any", "dna", "text"]


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
Visible = Callable[..., np.ndarray]
"""From a chance, a number of tokens, the TokenBases, and those of the strategy's own parameters that it names, to the
probability of each of so many tokens in a row to stay visible, float64; for tokens of equal length, of any sequence."""


@dataclass(frozen=True)
class StrategySpec:
    """A strategy as registered."""

    name: str
    select: Select
    published: Chance
    """The chance as its authors set it, used with match="none"."""
    exact: Formula | None
    """The chance that gives the asked share of tokens at every length."""
    visible: Visible | None
    """For a share that depends on the length: what the chance is solved with. Without either it is by simulation."""
    units: Units
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

    @contextmanager
    def blamed(self, where: str) -> Iterator[None]:
        """Whatever a person's own code raises within, as a SettingsError; what the house's raises is left alone."""
        try:
            yield
        except (Exception, SystemExit) as error:
            if not self.source:
                raise
            what = " ".join(f"{type(error).__name__}: {error}".split())
            raise SettingsError(f"masking strategy {self.name!r} fails {where}: {what}") from error


STRATEGIES: dict[str, StrategySpec] = {}


def register(
    name: str,
    *,
    published: Chance = lambda rate, tokens: rate,
    exact: Formula | None = None,
    visible: Visible | None = None,
    units: Units = "any",
    needs_npmi: bool = False,
    needs_windows: bool = False,
    uneven: bool = False,
    loop: Loop | None = None,
) -> Callable[[Select], Select]:
    """Make the decorated function available to build_strategy under `name`.

    Raises SettingsError for a name that could not be written, units that are none, or a parameter without a default.
    """
    if not re.fullmatch(r"[\w.+-]+", name) or name.endswith(".py"):
        raise SettingsError(f"masking strategy {name!r}: a name has letters, digits, and _ . + - alone, as 'my-mask'.")
    if units not in get_args(Units):
        raise SettingsError(f"masking strategy {name!r}: units must be one of {', '.join(get_args(Units))}.")

    def add(select: Select) -> Select:
        parameters = settings_of(select, f"masking strategy {name!r}")
        kind = units, needs_npmi, needs_windows, uneven
        STRATEGIES[name] = StrategySpec(name, select, published, exact, visible, *kind, loop, parameters)
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
