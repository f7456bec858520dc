"""Curricula: a step's number in; the strategies that mask the step, their fractions and the rate out.

A curriculum is a pure function of the step, the length of the run and, if it waits for the score under fixed masks, the
step at which it switched. It is named and configured like a strategy: `cm-step:at=2000`. A strategy within it may have
parameters of its own, in brackets: `cm-step:first=(span:p=0.1):at=2000`.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from genomask.errors import SettingsError
from genomask.masking.registry import settings_of


class Phase(NamedTuple):
    """How one step is masked."""

    first: str
    second: str
    fraction: float  # of sequences that the second strategy masks
    mask_rate: float


class Moment(NamedTuple):
    """Where a run stands."""

    step: int  # from 0
    steps: int  # of the whole run
    mask_rate: float  # the run's own
    switched_at: int | None  # the first step after the switch, None before the switch


@dataclass(frozen=True)
class Curriculum:
    """A curriculum as registered."""

    phase: Callable[..., Phase]
    """From a Moment and the curriculum's own parameters by name."""
    parameters: dict[str, Any]
    """Its own settings and their defaults."""

    @property
    def waits(self) -> bool:
        """Does it switch when the score under the fixed evaluation masks stops falling?"""
        return "patience" in self.parameters

    @property
    def strategies(self) -> tuple[str, ...]:
        """Its parameters that name a strategy."""
        return tuple(key for key in self.parameters if key in ("first", "second", "strategy"))


CURRICULA: dict[str, Curriculum] = {}
EVENLY = 1e-9
"""The `p` at which the lengths of `span`, geometric up to the longest, are equally likely."""


def curriculum(name: str) -> Callable[[Callable[..., Phase]], Callable[..., Phase]]:
    """Register the decorated function as `name`; one that waits has `patience` and `least` among its parameters."""

    def add(phase: Callable[..., Phase]) -> Callable[..., Phase]:
        CURRICULA[name] = Curriculum(phase, settings_of(phase, f"curriculum {name!r}"))
        return phase

    return add


@curriculum("cm-gems")
def cm_gems(
    now: Moment, *, first: str = "genemask", second: str = "npmi-global", patience: int = 2, least: float = 0.001
) -> Phase:
    """The easy strategy until the bits per hidden base stop falling, then the hard one.

    They have stopped when none of the last `patience` evaluations was `least` bits below the best before them.
    Source: CM-GEMS (Roy, Sural and Ganguly, 2024), with the score under fixed masks as its trigger.
    """
    if patience < 1:
        raise SettingsError(f"cm-gems: patience must be at least 1 evaluation, got {patience}.")
    if not 0 <= least < math.inf:  # false for nan as well
        raise SettingsError(f"cm-gems: least must be a number of bits, 0 or more, got {least}.")
    _require_two("cm-gems", first, second)
    return Phase(first, second, float(now.switched_at is not None and now.step >= now.switched_at), now.mask_rate)


@curriculum("cm-step")
def cm_step(now: Moment, *, first: str = "genemask", second: str = "npmi-global", at: int = 5_000) -> Phase:
    """The easy strategy for `at` steps, then the hard one."""
    _require_inside("cm-step", at, now.steps)
    _require_two("cm-step", first, second)
    return Phase(first, second, float(now.step >= at), now.mask_rate)


@curriculum("linear-mix")
def linear_mix(now: Moment, *, first: str = "genemask", second: str = "npmi-global") -> Phase:
    """The second strategy masks a fraction of the sequences that rises linearly from 0, at the first step, to 1."""
    if now.steps < 2:
        raise SettingsError("linear-mix needs a run of at least 2 steps; this one has 1.")
    _require_two("linear-mix", first, second)
    return Phase(first, second, now.step / (now.steps - 1), now.mask_rate)


@curriculum("rate-step")
def rate_step(now: Moment, *, strategy: str = "genemask", then: float = 0.20, at: int = 5_000) -> Phase:
    """The run's own mask rate for `at` steps, then the rate `then`."""
    _require_inside("rate-step", at, now.steps)
    if not 0 < then < 1:
        raise SettingsError(f"rate-step: the rate `then` must lie between 0 and 1, got {then}.")
    return Phase(strategy, strategy, 0.0, then if now.step >= at else now.mask_rate)


@curriculum("random-mask")
def random_mask(now: Moment, *, phases: int = 5, wider: int = 2) -> Phase:
    """Runs of k tokens around each centre (DNABERT's mask) that may be `wider` tokens longer with each phase.

    Source: RandomMask (Liang et al., arXiv 2310.07644): five phases, in each of which the runs reach further. Ours are
    phases of equal length, widths that grow by two tokens and are drawn uniformly from k to the phase's widest, and a
    constant mask rate.
    """
    if not 1 < phases <= now.steps:
        raise SettingsError(f"random-mask: phases must lie between 2 and the run's {now.steps} steps, got {phases}.")
    if wider < 1:
        raise SettingsError(f"random-mask: wider must be at least 1 token, got {wider}.")
    longest = 1 + wider * (now.step * phases // now.steps)  # n tokens more than k hide n + 1 bases
    name = f"span:p={EVENLY}:longest={longest}"
    return Phase(name, name, 0.0, now.mask_rate)


def has_stopped_falling(scores: Sequence[float], patience: int, least: float) -> bool:
    """True when none of the last `patience` scores is `least` below the best of those before."""
    before, last = scores[:-patience], scores[-patience:]
    return len(before) > 0 and min(last) > min(before) - least


def _require_two(name: str, first: str, second: str) -> None:
    if first == second:
        raise SettingsError(f"{name} would go from {first} to {second}, which changes nothing; name two strategies.")


def _require_inside(name: str, at: int, steps: int) -> None:
    if not 0 < at < steps:
        raise SettingsError(
            f"{name} would change at step {at}, but the run has {steps} steps; give another step, such as "
            f"{name}:at={steps // 2}."
        )
