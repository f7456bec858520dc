"""The table of masking strategies: a decorated function of one sequence in, a strategy that can be named out.

    @strategy("every-third")
    def every_third(sequence: Sequence, phase: int = 0) -> None:
        for t in range(phase, len(sequence.input_ids), 3):
            mask_token(sequence, t)

Parameters with defaults are the strategy's own settings: `every-third:phase=1` in recipes and on the command line.
"""

import inspect
import logging
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numba
import numpy as np
from numba.experimental.function_type import _get_jit_address

from genomask.errors import SettingsError
from genomask.masking.jit import jit
from genomask.masking.sequence import SEQUENCE

Units = Literal["any", "dna", "text"]
Need = Literal["npmi", "words", "windows", "every length"]
"""What a strategy needs: the NPMI of k-mers; word pieces that are known to continue a word; its rate solved on windows
of the genome itself, since what it masks depends much on the sequence; its rate solved at every short length, since its
fraction jumps from one to the next."""

log = logging.getLogger(__name__)
warnings.filterwarnings("ignore", "First-class function type", numba.NumbaExperimentalFeatureWarning)
"""A warning at each call of a function that is passed to another, as users' own are."""


@dataclass(frozen=True)
class StrategySpec:
    """A strategy as registered.

    Its formulas also get those of its own parameters that they name and, if they are of rates, the TokenBases last.
    """

    name: str
    mask: Callable[..., None]
    """Marks one Sequence, given the strategy's own parameters."""
    units: Units
    needs: frozenset[Need]
    published: Callable[..., float]
    """From the rate to the probability of the elementary draw (of a token, a centre ...), as its authors set it, for
    match="none"; raises SettingsError for parameters out of range."""
    exact: Callable[..., float | None] | None
    """From rate to the probability that masks that fraction of tokens at every length; None for other vocabularies."""
    visible: Callable[..., np.ndarray] | None
    """From a probability and a number of tokens, equally long: how probably each of that many in a row stays visible.
    For a fraction that depends on the length: the probability is solved with it. Without either, by simulation."""
    scores: Callable[..., np.ndarray]
    """From the NPMI and the count of every k-mer to the score that the strategy reads; all (4**k,), float64."""
    parameters: dict[str, Any]
    """Its own settings and their defaults."""
    source: str = ""
    """Fingerprint of the file it comes from; empty for ours."""

    def __reduce__(self) -> tuple[Callable[[str], "StrategySpec"], tuple[str]]:
        """For new processes, which import our functions and need no copy of their machine code."""
        if self.source:
            raise SettingsError(
                f"masking strategy {self.name!r} comes from your own file, which another process has not run: give "
                "its name, FILE.py:NAME, not the built strategy."
            )
        return registered, (self.name,)

    @cached_property
    def machine_code(self) -> tuple[int, Any] | None:
        """Where the compiled `mask` begins in memory, and what keeps it there.

        None for a user's own that numba cannot compile.
        """
        signature = numba.void(SEQUENCE, *map(numba.typeof, self.parameters.values()))
        if not self.source:
            mask = jit(self.mask)
            mask.compile(signature)
        else:
            try:
                mask = numba.njit(signature, nogil=True, boundscheck=True)(self.mask)
            except Exception as error:  # noqa: BLE001 - numba raises errors of all kinds for what it does not know
                why = str(error).partition("\n\x1b[1m")[2].partition("\n")[0][:80] or type(error).__name__
                log.info("strategy %r is interpreted, not compiled, and about 100 times slower: %s", self.name, why)
                return None
        return _get_jit_address(mask, signature), mask

    def ask(
        self, formula: Callable[..., Any], parameters: Mapping[str, Any], expected: Callable[[Any], Any], *given: Any
    ) -> Any:
        """The formula's result for what is given and those of the strategy's parameters that it names.

        Raises SettingsError where a user's own fails, or returns what `expected` refuses.
        """
        named = inspect.signature(formula).parameters
        with self.blamed("in its formula"):
            return expected(formula(*given, **{key: value for key, value in parameters.items() if key in named}))

    @contextmanager
    def blamed(self, where: str) -> Iterator[None]:
        """Raise whatever a user's own code raises within as a SettingsError; what ours raises is left alone."""
        try:
            yield
        except (Exception, SystemExit) as error:
            if not self.source:
                raise
            what = " ".join(f"{type(error).__name__}: {error}".split())
            raise SettingsError(f"masking strategy {self.name!r} fails {where}: {what}") from error


def number_to(most: float, value: Any) -> float:
    """What a formula returns, as a number from 0 to `most`. Raises ValueError or TypeError where it is not one."""
    number = float(value)
    if not 0 <= number <= most:  # false for nan as well
        raise ValueError(f"it returns {number:g}, not a number from 0 to {most:g}")
    return number


def array_of(shape: tuple[int, ...], value: Any) -> np.ndarray:
    """What a formula returns, as float64 of this shape. Raises ValueError or TypeError where it is not one."""
    array = np.asarray(value, dtype=np.float64)
    if array.shape != shape or np.isnan(array).any():
        raise ValueError(f"it must return an array of shape {shape} without nan, got shape {array.shape}")
    return array


STRATEGIES: dict[str, StrategySpec] = {}


def registered(name: str) -> StrategySpec:
    """The strategy that this process knows under a name."""
    return STRATEGIES[name]


def strategy(
    name: str,
    *,
    units: Units = "any",
    needs: Iterable[Need] = (),
    published: Callable[..., float] = lambda rate, tokens: rate,
    exact: Callable[..., float | None] | None = None,
    visible: Callable[..., np.ndarray] | None = None,
    scores: Callable[..., np.ndarray] = lambda npmi, counts: npmi,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make the decorated function available to build_strategy under `name`.

    Raises SettingsError for an invalid name, unknown units or needs, or a parameter without a default.
    """
    if not re.fullmatch(r"[\w.+-]+", name) or name.endswith(".py"):
        raise SettingsError(
            f"masking strategy {name!r}: a name may hold only letters, digits and _ . + -, such as 'my-mask'."
        )
    for what, given, known in (("units", {units}, get_args(Units)), ("needs", set(needs), get_args(Need))):
        if not given <= set(known):
            raise SettingsError(f"masking strategy {name!r}: {what} must be one of {', '.join(known)}.")

    def add(mask: Callable[..., None]) -> Callable[..., None]:
        parameters = settings_of(mask, f"masking strategy {name!r}")
        formulas = published, exact, visible, scores
        STRATEGIES[name] = StrategySpec(name, mask, units, frozenset(needs), *formulas, parameters)
        return mask

    return add


def settings_of(function: Callable[..., Any], what: str) -> dict[str, Any]:
    """A function's parameters except the first, and their defaults.

    Raises SettingsError for one that has no simple default.
    """
    found: dict[str, Any] = {}
    for name, parameter in list(inspect.signature(function).parameters.items())[1:]:
        if not isinstance(parameter.default, int | float | str):
            raise SettingsError(
                f"{what}: its parameter {name!r} needs a default that is a number, a string, True or False."
            )
        found[name] = parameter.default
    return found
