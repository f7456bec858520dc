"""A table of a recipe: a frozen dataclass whose field types say what they take, checked on creation.

@dataclass(frozen=True, kw_only=True)
class TrainingSettings(Table, name="training"):
    steps: Count = 10_000
    device: Literal["auto", "cpu", "cuda"] = "auto"
    learning_rate: Annotated[float, Bounds(above=0, most=LARGE)] = 4e-4
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar, Literal, get_args, get_origin, get_type_hints

from genomask.errors import SettingsError
from genomask.settings.ranges import MANY, require, require_one_of, shown

MOST_LETTERS = 4096
"""Of a setting; a path takes no more."""
WORDS = {int: "a whole number", float: "a number", str: "a string", bool: "true or false"}


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """The bounds of a number; not a number (nan) is within none."""

    least: float | None = None
    above: float | None = None
    most: float | None = None
    below: float | None = None

    def require(self, name: str, value: float) -> None:
        """Raises SettingsError, naming all bounds, for a value beyond one of them."""
        kept = {
            "at least": self.least is None or value >= self.least,
            "above": self.above is None or value > self.above,
            "at most": self.most is None or value <= self.most,
            "below": self.below is None or value < self.below,
        }
        limits = zip(kept, (self.least, self.above, self.most, self.below), strict=True)
        wanted = " and ".join(f"{word} {_figure(limit)}" for word, limit in limits if limit is not None)
        require(all(kept.values()), name, wanted, value)


@dataclass(frozen=True)
class OneOf:
    """A string must be one of these, such as the names of a table that others add to."""

    known: Collection[str]

    def require(self, name: str, value: str) -> None:
        """Raises SettingsError, with the nearest known one, for another value."""
        require_one_of(name, value, self.known)


Count = Annotated[int, Bounds(least=1, most=MANY)]
Fraction = Annotated[float, Bounds(least=0, most=1)]
"""0 and 1 included."""
Pairs = tuple[tuple[int, int], ...]
"""Of whole numbers, each at least 1, such as [[600, 128], [300, 256]]."""
Rate = Annotated[float, Bounds(above=0, below=1)]
"""0 and 1 excluded."""


class Table:
    """What every table of a recipe inherits: its name in messages, and the check of its fields."""

    table: ClassVar[str]

    def __init_subclass__(cls, *, name: str) -> None:
        cls.table = name

    def __post_init__(self) -> None:
        for field, kind in kinds(type(self)).items():
            object.__setattr__(self, field, checked(getattr(self, field), kind, f"{self.table}.{field}"))


def kinds(cls: Any) -> Mapping[str, Any]:
    """The type of each field of a dataclass, with its annotations."""
    hints = get_type_hints(cls, include_extras=True)
    return {field.name: hints[field.name] for field in fields(cls)}


def checked(value: Any, kind: Any, name: str) -> Any:
    """The value in its type: whole numbers become floats and lists tuples; nothing else is converted.

    Raises SettingsError for a value of another type, beyond its bounds, or not among the choices.
    """
    if get_origin(kind) is Annotated:
        base, *limits = get_args(kind)
        value = checked(value, base, name)
        for limit in limits:
            limit.require(name, value)
        return value
    if get_origin(kind) is Literal:
        value = checked(value, str, name)
        require_one_of(name, value, get_args(kind))
        return value
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError as error:
            raise SettingsError(f"{name} must be a number below 1e308, got {shown(value)}") from error
    if kind == Pairs:
        return _pairs(value, name)
    if kind not in WORDS:
        if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
            return tuple(value)
        raise SettingsError(f'{name} must be a list of strings such as ["chrX"], got {shown(value)}')
    if type(value) is not kind:
        raise SettingsError(f"{name} must be {WORDS[kind]}, got {shown(value)}")
    if kind is str and ("\0" in value or len(value) > MOST_LETTERS):
        raise SettingsError(f"{name} must have at most {MOST_LETTERS} letters and no zero byte; got {shown(value)}")
    return value


def _pairs(value: Any, name: str) -> Pairs:
    pairs = value if isinstance(value, list | tuple) else [value]
    is_pair = [isinstance(pair, list | tuple) and [*map(type, pair)] == [int, int] for pair in pairs]
    if not (all(is_pair) and all(1 <= number <= MANY for pair in pairs for number in pair)):
        raise SettingsError(
            f"{name} must be a list of pairs of whole numbers from 1 to {MANY:,}, such as [[600, 128]], got "
            f"{shown(value)}"
        )
    return tuple((first, second) for first, second in pairs)


def _figure(limit: float) -> str:
    """A number in its most readable form, such as 1,000,000,000 or 2**63."""
    if isinstance(limit, int) and limit > MANY and limit.bit_count() == 1:
        return f"2**{limit.bit_length() - 1}"
    return f"{limit:,}" if isinstance(limit, int) else f"{limit:g}"
