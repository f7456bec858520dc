"""The cache of parsed genomes: FASTA files in, one folder of plain arrays out, whole or not at all.

A folder holds codes.bin, three .npy files and genome.json. It is built under a temporary name and renamed when it is
complete, so two processes may build the same genome at once, and a killed one leaves no half of it.
"""

import contextlib
import errno
import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from genomask.cache import default_cache
from genomask.data.fasta import require_file
from genomask.data.genome_builder import GenomeBuilder
from genomask.errors import DataError

FORMAT = 1
"""Part of the key; raise it when the files change their meaning."""
ARRAYS = ("offsets", "runs", "repeats")
STALE_SECONDS = 24 * 3600

log = logging.getLogger(__name__)


def open_arrays(files: Sequence[Path], cache: Path | None, ambiguous: str) -> dict[str, Any]:
    """The fields of a Genome, from the cache where it has them, else built there first."""
    _require_different_files(files)
    root = (cache or default_cache()) / "genomes"
    stem = files[0].name.split(".")[0]
    folder = root / f"{stem}-{_key(files, ambiguous)}"
    with _cache_errors(root):
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
    """Changes with the paths, sizes and modification times of the files, and with how they are read."""
    stats = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return hashlib.blake2b(json.dumps([FORMAT, ambiguous, stats]).encode(), digest_size=12).hexdigest()


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
    """Parse the files into a temporary folder beside `folder`, then give it that name."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    _remove_stale(folder.parent)
    key = _key(files, ambiguous)
    building = Path(tempfile.mkdtemp(prefix=".building-", dir=folder.parent))
    try:
        with (building / "codes.bin").open("wb") as out:
            builder = GenomeBuilder(out)
            for path in files:
                builder.add_file(path, ambiguous)
            facts, arrays = builder.finish()
            _sync(out)
        if _key(files, ambiguous) != key:
            raise DataError(f"{files[0]}: a genome file changed while it was read. Wait until it is complete.")
        for name, array in arrays.items():
            with (building / f"{name}.npy").open("wb") as out:
                np.save(out, array, allow_pickle=False)
                _sync(out)
        with (building / "genome.json").open("w", encoding="utf-8") as text:
            json.dump(facts, text)
            _sync(text)
        _install(building, folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _sync(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())


def _install(building: Path, folder: Path) -> None:
    """Rename the finished folder into place; where another process was faster, its work stands."""
    try:
        building.rename(folder)
    except OSError:
        if _load(folder) is not None:
            return
        log.warning("the genome cache at %s is damaged; replacing it", folder)
        with tempfile.TemporaryDirectory(prefix=".damaged-", dir=folder.parent) as trash:
            folder.rename(Path(trash) / folder.name)
            building.rename(folder)


def _remove_stale(root: Path) -> None:
    """Remove what killed processes left more than a day ago."""
    for left in root.glob(".building-*"):
        if time.time() - left.stat().st_mtime > STALE_SECONDS:
            shutil.rmtree(left, ignore_errors=True)


@contextlib.contextmanager
def _cache_errors(root: Path) -> Iterator[None]:
    """Turn what the disk says into a sentence; errors of the genome files are DataErrors already."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DataError(
                f"{root}: no disk space left for the genome cache, which needs a byte for each base. "
                "Free some, or set GENOMASK_CACHE to a folder on a larger disk."
            ) from error
        raise DataError(
            f"{root}: the genome cache cannot be used ({error.strerror}). "
            "Set GENOMASK_CACHE to a folder that you may write to."
        ) from error
