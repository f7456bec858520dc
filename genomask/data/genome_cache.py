"""The cache of parsed genomes: FASTA files in, one folder of plain arrays out, whole or not at all.

A folder holds codes.bin, three .npy files and genome.json. It is built under a temporary name and renamed when it is
complete, so two processes may build the same genome at once, and a killed one leaves no half of it.
"""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from genomask.atomic import atomic_folder
from genomask.cache import cache_errors, default_cache, files_key, remove_stale
from genomask.data.fasta import require_file
from genomask.data.genome_builder import GenomeBuilder
from genomask.errors import DataError
from genomask.progress import working

FORMAT = 1
"""Part of the key; raise it when the files change their meaning."""
ARRAYS = ("offsets", "runs", "repeats")

log = logging.getLogger(__name__)


def open_arrays(files: Sequence[Path], cache: Path | None, ambiguous: str) -> dict[str, Any]:
    """The fields of a Genome, from the cache where it has them, else built there first."""
    _require_different_files(files)
    root = (cache or default_cache()) / "genomes"
    stem = files[0].name.split(".")[0]
    folder = root / f"{stem}-{_key(files, ambiguous)}"
    with cache_errors(root):
        arrays = _load(folder)
        if arrays is None:
            log.info("reading %d genome file(s) into the cache at %s", len(files), folder)
            _build(files, folder, ambiguous)
            arrays = _load(folder)
    assert arrays is not None, f"the genome cache was just built, yet cannot be opened: {folder}"
    return arrays


def _require_different_files(files: Sequence[Path]) -> None:
    if not files:
        raise DataError("no genome file was given. Name at least one FASTA file.")
    seen: dict[tuple[int, int], Path] = {}
    for path in files:
        require_file(path)
        stat = path.stat()
        same = seen.setdefault((stat.st_dev, stat.st_ino), path)
        if same is not path:
            raise DataError(f"{path}: the same file as {same}, given twice. Name each genome file once.")


def _key(files: Sequence[Path], ambiguous: str) -> str:
    """Changes with the files, and with how they are read."""
    return files_key(files, FORMAT, ambiguous)


def _load(folder: Path) -> dict[str, Any] | None:
    """The fields of the genome in a cache folder; None where it is absent or damaged, so that it is built anew."""
    try:
        facts = json.loads((folder / "genome.json").read_text(encoding="utf-8"))
        arrays = {name: np.load(folder / f"{name}.npy", allow_pickle=False) for name in ARRAYS}
        codes = np.memmap(folder / "codes.bin", dtype=np.uint8, mode="r")
        fields = {"codes": codes, "names": facts["names"], "fingerprint": facts["fingerprint"], **arrays}
        is_whole = codes.size == arrays["offsets"][-1] and len(arrays["offsets"]) == len(facts["names"]) + 1
    except (FileNotFoundError, NotADirectoryError, ValueError, EOFError, LookupError, TypeError):
        return None
    return fields if is_whole else None


def _build(files: Sequence[Path], folder: Path, ambiguous: str) -> None:
    remove_stale(folder.parent)
    with atomic_folder(folder, stands=lambda: _load(folder) is not None) as building:
        _write(building, files, ambiguous)


def _write(folder: Path, files: Sequence[Path], ambiguous: str) -> None:
    """Parse the files into an empty folder."""
    key = _key(files, ambiguous)
    with working("reading the genome", unit="bases") as work, (folder / "codes.bin").open("wb") as out:
        builder = GenomeBuilder(out, work.advance)
        for path in files:
            builder.add_file(path, ambiguous)
        facts, arrays = builder.finish()
    if _key(files, ambiguous) != key:
        raise DataError(f"{files[0]}: a genome file changed while it was read. Wait until it is complete.")
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)
    (folder / "genome.json").write_text(json.dumps(facts), encoding="utf-8")
