"""Checks of single settings where they are made: a value out of range or unknown gives an error of one sentence."""

from collections.abc import Collection

from genomask.errors import SettingsError
from genomask.settings.spelling import did_you_mean

MANY = 10**9
"""Nobody needs more steps, sequences and the like; the product of two still fits into 64 bits."""
LARGE = 1e6
"""No rate, decay or norm is larger."""
LONGEST_SHOWN = 80


def require(holds: bool, name: str, wanted: str, value: object) -> None:
    """Raises SettingsError unless `holds`, a condition that must be written so that it is false for nan."""
    if not holds:
        raise SettingsError(f"{name} must be {wanted}, got {shown(value)}.")


def require_whole(name: str, value: int, least: int, most: int = MANY) -> None:
    """Raises SettingsError unless `value` lies between `least` and `most`, both included."""
    require(value >= least, name, f"at least {least}", value)
    require(value <= most, name, f"at most {most:,}", value)


def require_one_of(name: str, value: str, known: Collection[str]) -> None:
    """Raises SettingsError, with the nearest of `known`, for another value."""
    if value not in known:
        raise SettingsError(
            f"{name} must be one of {', '.join(known)}, got {shown(value)}.{did_you_mean(value, known)}"
        )


def shown(value: object) -> str:
    """A value as Python writes it, shortened if long; Python refuses to write numbers of thousands of digits."""
    if isinstance(value, int) and abs(value) >= 10**LONGEST_SHOWN:
        return f"a number of more than {LONGEST_SHOWN} digits"
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."
