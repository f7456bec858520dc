"""The table of masking strategies: a decorated function in, a strategy that can be built by name out.

    @register("every-third")
    def every_third(view: MaskView, *, phase: int = 0) -> Tensor:
        return (view.grid.position % 3 == phase) & view.grid.maskable

Keyword parameters with defaults are the strategy's own settings, named in recipes and on the command line.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from torch import Tensor

from genomask.types import TokenBases


class Strategy(Protocol):
    """Chooses what to hide."""

    def select(self, input_ids: Tensor, cu_seqlens: Tensor, keys: Tensor) -> Tensor:
        """(T,) int32 of packed ids (T,): 0 visible, n > 0 the number of the span, from 1 in each sequence."""


Select = Callable[..., Tensor]
"""From a MaskView, and the strategy's own parameters, to the maskable tokens to mask, as (T,) bool."""
Chance = Callable[[float, TokenBases], float]
"""From the asked rate to the probability of the strategy's elementary draw (a token, a centre ...)."""


@dataclass(frozen=True)
class StrategySpec:
    """A strategy as registered."""

    name: str
    select: Select
    published: Chance
    """The chance as its authors set it, used with match="none"."""
    exact: Chance | None
    """The chance that gives the asked share of tokens exactly at every length; None: found by simulation."""
    units: Literal["any", "dna", "text"]
    needs_npmi: bool

    @property
    def parameters(self) -> list[str]:
        """Names of the strategy's own settings."""
        kinds = inspect.signature(self.select).parameters.values()
        return [p.name for p in kinds if p.kind is inspect.Parameter.KEYWORD_ONLY]


STRATEGIES: dict[str, StrategySpec] = {}


def register(
    name: str,
    *,
    published: Chance = lambda rate, tokens: rate,
    exact: Chance | None = None,
    units: Literal["any", "dna", "text"] = "any",
    needs_npmi: bool = False,
) -> Callable[[Select], Select]:
    """Make the decorated function available to build_strategy under `name`."""

    def add(select: Select) -> Select:
        STRATEGIES[name] = StrategySpec(name, select, published, exact, units, needs_npmi)
        return select

    return add
