"""The compiler of this room's loops, and the hash of `genomask.hashing` for them, with the same bits.

Every loop is compiled at first use and cached on disk. Numba itself checks only a loop's own file before it uses the
cache. Here the name of a cached file depends on all files of the room, because a loop contains what it calls from the
others; of the strategies, which do not call each other, only on the file of the one that is compiled.
"""

import glob
import hashlib
import math
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.extending import register_jitable

from genomask import hashing
from genomask.files.cache import cache_errors, default_cache
from genomask.hashing import Purpose

HERE = Path(__file__).parent


def digest_of_sources(folder: Path, *others: Path) -> str:
    """Digest of the names and contents of all Python files in a folder, except the strategies, and of other files."""
    files = [*sorted(path for path in folder.rglob("*.py") if path.parent.name != "strategies"), *others]
    return hashlib.sha256(repr([(path.name, path.read_bytes()) for path in files]).encode()).hexdigest()


def digest_of_text(text: str) -> str:
    """A short digest, for file names."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def keep_loops_in_the_cache(folder: Path = HERE) -> None:
    """Have numba keep the loops in genomask's cache where nothing can be written beside the sources.

    Raises SettingsError and DataError where that cache is not available either: numba would not even start.
    """
    beside = next(path for path in (folder / "__pycache__", folder) if path.is_dir())
    settings: Any = numba.config
    if settings.CACHE_DIR or os.access(beside, os.W_OK | os.X_OK):
        return
    kept = default_cache() / "loops"
    with cache_errors(kept):
        kept.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=kept):
            settings.CACHE_DIR = str(kept)


SOURCES = digest_of_sources(HERE, Path(hashing.__file__))
keep_loops_in_the_cache()


class FilePerKey(IndexDataCacheFile):
    """Compiled code, in a file named by its key and the state of its source file.

    Numba numbers such files, and an index maps keys to numbers. Two processes that compile two strategies at once then
    take the same number, and one strategy's code is found under the key of the other.
    """

    def save(self, key: Any, data: Any) -> None:
        """Save `data`, and delete what was compiled from other sources."""
        self._save_data(self._name_of(key), data)
        stem = self._index_name.removesuffix("nbi")
        for kept in Path(self._cache_path).glob(f"{glob.escape(stem)}*.nbc"):
            if not kept.name.startswith(f"{stem}{digest_of_text(SOURCES)}-"):
                kept.unlink(missing_ok=True)

    def load(self, key: Any) -> Any:
        """What was saved, or None."""
        try:
            return self._load_data(self._name_of(key))
        except OSError:
            return None

    def _name_of(self, key: Any) -> str:
        digest = digest_of_text(repr((self._version, self._source_stamp, key)))
        return f"{self._index_name.removesuffix('nbi')}{digest_of_text(SOURCES)}-{digest}.nbc"


def jit(function: Callable[..., Any]) -> Any:
    """Compile a function, which then runs without Python's lock: masking runs beside training.

    It must not be made by another function. Machine code is linked by name, type and a number that each process counts
    itself, so of two with one name, a process that finds both in the cache would run whichever it loads first.
    """
    dispatcher: Any = numba.njit(nogil=True)(function)
    cache = FunctionCache(function)
    of = cache._impl.locator.get_source_stamp()
    cache._cache_file = FilePerKey(cache._cache_path, cache._impl.filename_base, of)
    dispatcher._cache = cache
    return dispatcher


Array = np.ndarray
Int = int | np.int64
"""An integer: Python's before compilation, the machine's after."""

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


@register_jitable  # called from Python it stays Python, and gives numpy's uint64
def limit_of(probability: float) -> np.uint64:
    """`draw` is below this exactly where `hashing.uniform` is below the probability."""
    return np.uint64(math.ceil(probability * 2.0**53))


@jit
def mix(x: np.uint64) -> np.uint64:
    """SplitMix64's finaliser."""
    x = (x ^ (x >> np.uint64(30))) * _MIX_1
    x = (x ^ (x >> np.uint64(27))) * _MIX_2
    return x ^ (x >> np.uint64(31))


@jit
def key_for(key: np.uint64, purpose: Purpose) -> np.uint64:
    """The first step of `hash64`, from a key and a purpose; worth keeping for a whole sequence."""
    return mix(key + np.uint64(purpose) * GOLDEN)


@jit
def bits_at(key_for_purpose: np.uint64, position: Int) -> np.uint64:
    """`hash64`, given `key_for` of the key and the purpose."""
    return mix(key_for_purpose + np.uint64(position) * GOLDEN)


@jit
def draw(key_for_purpose: np.uint64, position: Int) -> np.uint64:
    """The 53 bits of `hashing.uniform`."""
    return bits_at(key_for_purpose, position) >> np.uint64(11)


@jit
def below(bits: np.uint64, bound: Int) -> np.int64:
    """`hashing.below`."""
    return np.int64(bits & np.uint64(2**63 - 1)) % bound
