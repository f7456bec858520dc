"""The file of an NPMI table: settings and counts in, one small file out, and back in milliseconds.

It is an uncompressed .npz: `header` holds the settings as JSON, `n1`, `n2`, ... the counts of each length in the
narrowest unsigned type that fits. Scores are not stored; they follow from the counts.
"""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from genomask.atomic import atomic_file
from genomask.errors import DataError

FORMAT = 2
"""Raise it when the content changes its meaning."""


def write_table(path: Path, settings: Mapping[str, Any], counts: Mapping[int, np.ndarray]) -> None:
    """Write one file, whole or not at all."""
    arrays = {f"n{n}": f.astype(np.min_scalar_type(int(f.max()))) for n, f in counts.items()}
    header = np.array(json.dumps({"format": FORMAT} | dict(settings)))
    with atomic_file(path) as file:
        np.savez(file, allow_pickle=False, header=header, **arrays)


def is_table(path: Path) -> bool:
    """Whether a file begins as `write_table` begins one; the rest may be damaged or missing."""
    with path.open("rb") as file:
        start = file.read(40)
    return start.startswith(b"PK\x03\x04") and start.endswith(b"header.npy")  # a zip archive and its first entry


def read_table(path: Path) -> tuple[dict[str, Any], dict[int, np.ndarray]]:
    """The settings and {n: (4**n,) int64 counts} that `write_table` wrote. Raises DataError for any other file."""
    if path.is_dir():
        raise DataError(f"{path}: this is a folder; name the table in it, a file that `genomask npmi` wrote.")
    if not path.is_file():
        raise DataError(f"{path}: no such file. Make a table with `genomask npmi GENOME... --out {path}`.")
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = {name.removesuffix(".npy"): _array(archive, name) for name in archive.namelist()}
        header = json.loads(str(arrays.pop("header")))
        counts = {n: arrays[f"n{n}"].astype(np.int64) for n in range(1, len(arrays) + 1)}
    except (zipfile.BadZipFile, EOFError, ValueError, KeyError, OSError, RuntimeError) as error:
        if is_table(path):
            raise DataError(f"{path}: this NPMI table is damaged or cut short; make or copy it again.") from error
        raise DataError(f"{path} is not an NPMI table; make one with `genomask npmi`.") from error
    if header.pop("format", None) != FORMAT:
        raise DataError(f"{path} was written by another version of genomask; make it again with `genomask npmi`.")
    return header, counts


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with archive.open(name) as file:
        return np.lib.format.read_array(file, allow_pickle=False)
