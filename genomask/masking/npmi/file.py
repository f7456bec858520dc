"""The file of an NPMI table: settings and counts in, one small file out, and back in milliseconds.

It is an uncompressed .npz: `header` holds the settings as JSON, `n1`, `n2`, ... the counts of each length in the
narrowest unsigned type that fits. Scores are not stored; they follow from the counts.
"""

import json
import math
import tokenize
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from genomask.errors import DataError
from genomask.files.atomic import atomic_file
from genomask.files.inputs import require_table

FORMAT = 2
"""Raise it when the meaning of the content changes."""
MALFORMED = (
    zipfile.BadZipFile, EOFError, ValueError, LookupError, TypeError, OSError, RuntimeError,
    SyntaxError, tokenize.TokenError, MemoryError,
)  # fmt: skip
"""What readers of zip archives, JSON and numpy's headers (parsed as Python) may raise."""


def write_table(path: Path, settings: Mapping[str, Any], counts: Mapping[int, np.ndarray]) -> None:
    """Write one file, whole or not at all."""
    arrays = {f"n{n}": f.astype(np.min_scalar_type(int(f.max()))) for n, f in counts.items()}
    header = np.array(json.dumps({"format": FORMAT, "longest": len(counts)} | dict(settings)))
    with atomic_file(path) as file:
        np.savez(file, header=header, **arrays)  # type: ignore[arg-type]  # numpy before 2.2 has no allow_pickle


def is_table(path: Path) -> bool:
    """Whether a file begins as `write_table` writes it; the rest may be damaged or missing."""
    with path.open("rb") as file:
        start = file.read(40)
    return start.startswith(b"PK\x03\x04") and start.endswith(b"header.npy")  # a zip archive and its first entry


def read_table(path: Path) -> tuple[dict[str, Any], dict[int, np.ndarray]]:
    """The settings and {n: (4**n,) int64 counts} that `write_table` wrote. Raises DataError for any other file."""
    require_table(path)
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = {name.removesuffix(".npy"): _array(archive, name) for name in archive.namelist()}
        header = dict(json.loads(str(arrays.pop("header"))))
        longest = header.pop("longest", len(arrays) or 1)  # the zip reader sees part of a damaged directory
        counts = {n: _counts(arrays[f"n{n}"], n) for n in range(1, longest + 1)}
    except MALFORMED as error:
        if is_table(path):
            raise damaged(path) from error
        raise DataError(f"{path} is not an NPMI table; make one with `genomask npmi`.") from error
    if header.pop("format", None) != FORMAT:
        raise DataError(f"{path} was written by another version of genomask; make it again with `genomask npmi`.")
    return header, counts


def damaged(path: Path) -> DataError:
    """The error for a table that does not hold what was written."""
    return DataError(f"{path}: this NPMI table is damaged or cut short; make or copy it again.")


def _counts(array: np.ndarray, n: int) -> np.ndarray:
    """(4**n,) int64. Raises ValueError where the array is not counts of n-grams."""
    if array.shape != (4**n,) or array.dtype.kind != "u":
        raise ValueError(f"n{n} is {array.shape} of {array.dtype}")
    return array.astype(np.int64)


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """One array. Raises ValueError, before memory is taken, where its header gives another size than the file holds."""
    info = archive.getinfo(name)
    if info.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{name} is compressed")
    with archive.open(info) as file:
        np.lib.format.read_magic(file)
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != info.file_size - file.tell():
            raise ValueError(f"{name} is not of the size it says")
        file.seek(0)
        return np.lib.format.read_array(file, allow_pickle=False)
