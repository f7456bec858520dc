"""A case: what `genomask` is asked in a folder of its own."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is typed, and what it may touch."""

    arguments: list[str]
    changes: tuple[Path, ...] = ()
    """Files and folders that the command may write over; every other one of the case is an input."""
    earned: tuple[Path, ...] = ()
    """Files and folders within `changes` that took long to make: a refusal leaves them, or adds to them."""
    mended: list[str] | None = None
    """The same call without the mistake: it must succeed where a refused call leaves anything in `changes`."""
    cache: Path | None = None
    """GENOMASK_CACHE, where it is not the one that cases share."""


Generator = Callable[[random.Random, Path, Path], Case]
"""Draws, an empty folder for the files of the case, and the folder of valid inputs to start from."""
