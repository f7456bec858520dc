"""Rows of labels and vectors, written as they come: .npy with the labels beside it, .parquet, or .tsv."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from genomask.errors import SettingsError
from genomask.files.atomic import atomic_file
from genomask.files.inputs import STDOUT
from genomask.files.outputs import require_own, require_writable

STARTS = {".npy": b"\x93NUMPY", ".parquet": b"PAR1", ".tsv": b"name\t"}
"""First bytes of the files written here: one that begins otherwise is the user's, and is not replaced."""
SUFFIXES = tuple(STARTS)
Labels = Sequence[Sequence[str] | np.ndarray]
"""Columns of n cells each: words, or whole numbers from 0."""
Write = Callable[[Labels, np.ndarray], None]
"""Takes the labels of n rows and their vectors, (n, D) float32."""


def require_out(out: Path, inputs: Sequence[Path], suffixes: Sequence[str] = SUFFIXES) -> None:
    """Raises SettingsError for an --out that ends in none of `suffixes`, cannot be written, or would replace an input
    or a file of another kind.
    """
    if out == STDOUT:
        return
    if out.suffix not in suffixes:
        raise SettingsError(
            f"--out {out}: give a name that ends in {' or '.join(suffixes)}, or - for TSV on standard output."
        )
    require_writable(out, "--out", inputs)
    require_own(out, "--out", _is_own, f"such a {out.suffix} file")
    if out.suffix == ".npy":
        names = names_beside(out)
        require_writable(names, "--out", inputs)
        require_own(names, "--out", lambda _: out.exists(), f"a list of names for {out.name}, which does not exist")


def _is_own(path: Path) -> bool:
    start = STARTS[path.suffix]
    with path.open("rb") as file:
        return file.read(len(start)) == start


def names_beside(out: Path) -> Path:
    """Where the labels of an .npy file are: F.names.txt beside F.npy."""
    return out.with_suffix(".names.txt")


@contextmanager
def vector_file(out: Path, columns: Sequence[str]) -> Iterator[Write]:
    """Write rows to `out`, which appears whole or not at all; `columns` are the names of the labels."""
    if out == STDOUT:
        yield _tsv(sys.stdout.buffer, columns)
        sys.stdout.buffer.flush()
        return
    with atomic_file(out) as file:
        if out.suffix == ".npy":
            with atomic_file(names_beside(out)) as names:
                written = _Npy(file, names)
                yield written.write
                written.finish()
        elif out.suffix == ".parquet":
            with _parquet(file, columns) as write:
                yield write
        else:
            yield _tsv(file, columns)


def line_of(cells: Sequence[Any]) -> str:
    """Cells between tabs."""
    return "\t".join(map(str, cells))


def _lines(columns: Labels) -> Iterator[str]:
    return map("\t".join, zip(*map(_spelt, columns), strict=True))


def _spelt(cells: Sequence[str] | np.ndarray) -> Iterable[str]:
    """Cells as text; numbers, which recur, are spelt once each."""
    if not isinstance(cells, np.ndarray):
        return cells
    words = [str(number) for number in range(cells.max(initial=-1) + 1)]
    return map(words.__getitem__, cells.tolist())


def _tsv(file: BinaryIO, columns: Sequence[str]) -> Write:
    header = "\t".join(columns)

    def write(labels: Labels, vectors: np.ndarray) -> None:
        nonlocal header
        width = vectors.shape[1]
        if header:
            file.write(f"{header}\t{line_of([f'v{n}' for n in range(width)])}\n".encode())
            header = ""
        form = "\t".join(["%.9g"] * width)  # enough digits to restore float32 exactly
        rows = zip(_lines(labels), vectors.tolist(), strict=True)
        file.write("".join(f"{line}\t{form % tuple(row)}\n" for line, row in rows).encode())

    return write


class _Npy:
    """An array that grows: numpy leaves room in the header for a longer shape, which is written last."""

    def __init__(self, file: BinaryIO, names: BinaryIO) -> None:
        self._file, self._names = file, names
        self._shape = (0, 0)

    def write(self, labels: Labels, vectors: np.ndarray) -> None:
        if self._shape[1] == 0:
            self._shape = (0, vectors.shape[1])
            self._write_header()
        self._file.write(np.ascontiguousarray(vectors, dtype="<f4").data)
        self._names.write("\n".join([*_lines(labels), ""]).encode())
        self._shape = (self._shape[0] + len(vectors), self._shape[1])

    def finish(self) -> None:
        self._file.seek(0)
        self._write_header()

    def _write_header(self) -> None:
        said = {"descr": "<f4", "fortran_order": False, "shape": self._shape}
        np.lib.format.write_array_header_1_0(self._file, said)


@contextmanager
def _parquet(file: BinaryIO, columns: Sequence[str]) -> Iterator[Write]:
    import pyarrow as pa
    from pyarrow import parquet

    writer: Any = None

    def write(labels: Labels, vectors: np.ndarray) -> None:
        nonlocal writer
        flat = pa.array(np.ascontiguousarray(vectors).reshape(-1), pa.float32())
        cells = [pa.array(cells) for cells in labels]
        listed = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
        batch = pa.table([*cells, listed], names=[*columns, "vector"])
        writer = writer or parquet.ParquetWriter(file, batch.schema)
        writer.write_table(batch)

    try:
        yield write
    finally:
        if writer is not None:
            writer.close()
