"""What compiled loops are made with, and the hash of `genomask.hashing` for them: scalars in, the same bits out."""

import contextlib
import math
import os
import tempfile
from pathlib import Path
from typing import Any

import numba
import numpy as np

from genomask.atomic import atomic_write
from genomask.cache import cache_errors, default_cache, key_of

HERE = Path(__file__).parent


def forget_loops_of_other_sources(folder: Path = HERE) -> None:
    """Delete what numba keeps of the folder's loops once any of its files has changed.

    Numba itself looks at a loop's own file alone, and would go on with what another file said before an update.
    """
    now = _sources(folder)
    seen = folder / "__pycache__" / "sources-of-loops.txt"
    with contextlib.suppress(OSError):  # nothing can be kept in a folder that cannot be written
        if seen.exists() and seen.read_text() == now:
            return
        for index in folder.rglob("__pycache__/*.nbi"):
            index.unlink(missing_ok=True)
        atomic_write(seen, now)


def keep_loops_in_the_cache(folder: Path = HERE) -> None:
    """Where nothing can be written beside the sources, have numba keep their loops in genomask's cache instead.

    Raises SettingsError and DataError where there is no such cache either: numba would not even start.
    """
    beside = next(path for path in (folder / "__pycache__", folder) if path.is_dir())
    settings: Any = numba.config
    if settings.CACHE_DIR or os.access(beside, os.W_OK | os.X_OK):
        return
    kept = default_cache() / "loops" / key_of(_sources(folder))
    with cache_errors(kept):
        kept.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=kept):
            settings.CACHE_DIR = str(kept)


def _sources(folder: Path) -> str:
    """A line for each file of Python, which changes with the file."""
    files = [(str(path.relative_to(folder)), path.stat()) for path in sorted(folder.rglob("*.py"))]
    return "".join(f"{name} {stat.st_mtime_ns} {stat.st_size}\n" for name, stat in files)


forget_loops_of_other_sources()
keep_loops_in_the_cache()

compiled = numba.njit(cache=True, nogil=True)
"""Compiled at first use, kept on disk, and without Python's lock: masking runs beside training."""

Int = int | np.int64
"""What an integer is: of Python before compilation, of the machine after."""

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def offset_of(stream: int) -> np.uint64:
    """What the hash adds to a key for a stream."""
    return np.uint64(stream * int(GOLDEN) % 2**64)


def limit_of(share: float) -> np.uint64:
    """`draw` gives numbers below this one where `uniform` would give numbers below `share`."""
    return np.uint64(math.ceil(share * 2.0**53))


@compiled
def mix(x: np.uint64) -> np.uint64:
    """SplitMix64's finaliser."""
    x = (x ^ (x >> np.uint64(30))) * _MIX_1
    x = (x ^ (x >> np.uint64(27))) * _MIX_2
    return x ^ (x >> np.uint64(31))


@compiled
def bits_at(key_in_stream: np.uint64, position: Int) -> np.uint64:
    """`hash64`, given mix(key + offset_of(stream)), which is worth keeping for a whole sequence."""
    return mix(key_in_stream + np.uint64(position) * GOLDEN)


@compiled
def draw(key_in_stream: np.uint64, position: Int) -> np.uint64:
    """The 53 bits of `uniform`."""
    return bits_at(key_in_stream, position) >> np.uint64(11)


@compiled
def below(bits: np.uint64, bound: Int) -> np.int64:
    """`hashing.below`."""
    return np.int64(bits & np.uint64(2**63 - 1)) % bound
