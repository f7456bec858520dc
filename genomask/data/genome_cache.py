"""The cache of parsed genomes: genome files in, one folder of plain arrays out, whole or not at all.

A folder holds codes.bin, three .npy files and genome.json, sealed (see genomask.files.cache). It is built under a
temporary name and renamed when complete, so two processes may build the same genome at once, and a killed one leaves
no partial folder.
"""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from genomask.data.genome_builder import GenomeBuilder
from genomask.errors import DataError, counted
from genomask.files.cache import cache_errors, default_cache, files_key, sealed_folder
from genomask.files.inputs import require_file
from genomask.terminal.progress import working

FORMAT = 3
"""Part of the key; raise it when the meaning of the files changes."""
ARRAYS = ("offsets", "runs", "repeats")
FACTS = ("names", "fingerprint", "ambiguous")
OF_FILES = "file_offsets"

log = logging.getLogger(__name__)


def open_arrays(files: Sequence[Path], cache: Path | None, ambiguous: str) -> dict[str, Any]:
    """The fields of a Genome, from the cache, built there first if needed."""
    _require_different_files(files)
    root = (cache or default_cache()) / "genomes"
    stem = files[0].name.split(".")[0]
    folder = root / f"{stem}-{files_key(files, FORMAT, ambiguous)}"
    with cache_errors(root):
        sealed_folder(folder, files, lambda building: write_arrays(building, files, ambiguous))
        fields = _load(folder)
    assert _is_sound(fields), f"the genome written to the cache is not sound: {folder}"
    return fields


def _require_different_files(files: Sequence[Path]) -> None:
    if not files:
        raise DataError("no genome file was given. Name at least one.")
    seen: dict[tuple[int, int], Path] = {}
    for path in files:
        require_file(path)
        stat = path.stat()
        same = seen.setdefault((stat.st_dev, stat.st_ino), path)
        if same is not path:
            raise DataError(f"{path}: the same file as {same}, given twice. Name each genome file once.")


def _load(folder: Path) -> dict[str, Any]:
    """The fields of the genome in a sealed folder."""
    facts = json.loads((folder / "genome.json").read_text(encoding="utf-8"))
    arrays = {name: np.load(folder / f"{name}.npy", allow_pickle=False) for name in ARRAYS}
    codes = np.memmap(folder / "codes.bin", dtype=np.uint8, mode="r")
    return {"codes": codes, **{name: facts[name] for name in FACTS}, OF_FILES: tuple(facts[OF_FILES]), **arrays}


def _is_sound(fields: dict[str, Any]) -> bool:
    """Do the records cover the codes, and do runs and repeats lie within them in order?"""
    offsets, size = fields["offsets"], fields["codes"].size
    borders = [fields[name].ravel() for name in ("runs", "repeats")]
    return (
        offsets[0] == 0
        and offsets[-1] == size
        and len(offsets) == len(fields["names"]) + 1
        and bool((offsets[1:] > offsets[:-1]).all())
        and all((at[1:] >= at[:-1]).all() and (at[:1] >= 0).all() and (at[-1:] <= size).all() for at in borders)
    )


def write_arrays(folder: Path, files: Sequence[Path], ambiguous: str) -> None:
    """Parse the files into an empty folder."""
    log.info("reading %s into the cache at %s", counted(len(files), "genome file"), folder.parent)
    with working("reading the genome", unit="base") as work, (folder / "codes.bin").open("wb") as out:
        builder = GenomeBuilder(out, work.advance)
        for path in files:
            builder.add_file(path, ambiguous)
        facts, arrays = builder.finish()
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)
    (folder / "genome.json").write_text(json.dumps(facts), encoding="utf-8")
