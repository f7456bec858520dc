"""A case: one call of `genomask` in a folder of its own."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is typed, and what it may touch."""

    arguments: list[str]
    changes: tuple[Path, ...] = ()
    """Files and folders that the command may overwrite; every other one of the case is an input."""
    earned: tuple[Path, ...] = ()
    """Files and folders within `changes` that took long to make: a refusal leaves them, or adds to them."""
    mended: list[str] | None = None
    """The same call without the mistake: it must succeed if a refused call leaves anything in `changes`."""
    cache: Path | None = None
    """GENOMASK_CACHE, if it is not the one that cases share."""


Generator = Callable[[random.Random, Path, Path], Case]
"""(draws, an empty folder for the files of the case, the folder of valid inputs to start from) -> the case."""
