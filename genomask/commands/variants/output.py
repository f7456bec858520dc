"""Lines of a VCF and the scores of their ALTs in; a table, or the same VCF with one more entry of INFO, out."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import Any, Protocol

from Bio.bgzf import BgzfWriter

from genomask import __version__
from genomask.data.vcf import VcfLine, read_vcf, with_info
from genomask.errors import DataError, SettingsError, UserError
from genomask.files.atomic import atomic_file
from genomask.files.bgzip import BGZIP_END
from genomask.files.inputs import STDOUT
from genomask.files.outputs import require_own, require_writable
from genomask.inference.variants import Score

COLUMNS = ("record", "position", "id", "ref", "alt", "llr")
KEY = "GM_LLR"
DECLARED = f"##INFO=<ID={KEY},"
HEADER_LINE = (
    f"{DECLARED}Number=A,Type=Float,Description=\"Log-likelihood ratio of ALT against REF, in nats, by a masked "
    f"language model, mean of both strands\",Source=\"genomask variants\",Version=\"{__version__}\">"
)  # fmt: skip
TABLES, VCFS = (".tsv", ".txt"), (".vcf", ".vcf.gz")


class Writer(Protocol):
    """Takes every line of a VCF, in order, with the scores of its ALTs."""

    def __call__(self, line: VcfLine, scores: Sequence[Score]) -> None:
        """Write its output, if any."""


def require_output(out: Path, inputs: Sequence[Path]) -> None:
    """Raises SettingsError for a name of an unknown kind, and for a file that must not be overwritten."""
    if out == STDOUT:
        return
    if not out.name.endswith((*TABLES, *VCFS)):
        raise SettingsError(f"--out {out}: give a name that ends in .tsv, .vcf or .vcf.gz, or - for standard output.")
    require_writable(out, "--out", inputs)
    require_own(out, "--out", _is_own, "a file that genomask variants wrote")


@contextmanager
def writer(out: Path) -> Iterator[Writer]:
    """A writer of the kind that the name asks for; a file appears only when it is complete."""
    if out == STDOUT:
        yield _Table(sys.stdout.write)
        sys.stdout.flush()
        return
    with atomic_file(out) as file:
        if out.name.endswith(TABLES):
            yield _Table(lambda text: file.write(text.encode()))
        elif out.name.endswith(".gz"):
            packed = BgzfWriter(fileobj=file)
            yield _Vcf(packed.write)
            packed.flush()
            file.write(BGZIP_END)
        else:
            yield _Vcf(file.write)


class _Table:
    """One row per ALT."""

    def __init__(self, write: Callable[[str], Any]) -> None:
        self._write = write
        write("\t".join(COLUMNS) + "\n")

    def __call__(self, line: VcfLine, scores: Sequence[Score]) -> None:
        if line.variant is None:
            return
        record, position, name, ref, alts, _ = line.variant
        for alt, score in zip(alts, scores, strict=True):
            self._write(f"{record}\t{position}\t{name}\t{ref}\t{alt}\t{'NA' if score.reason else f'{score.llr:.6g}'}\n")


class _Vcf:
    """Every line as it was, with GM_LLR at the end of INFO, and its declaration at the end of the header."""

    def __init__(self, write: Callable[[bytes], Any]) -> None:
        self._write = write

    def __call__(self, line: VcfLine, scores: Sequence[Score]) -> None:
        raw = line.raw
        if raw.startswith(DECLARED.encode()):
            raise DataError(
                f"line {line.number} of the VCF: it already has {KEY}. Remove it first, for example with "
                f"`bcftools annotate -x INFO/{KEY}`, or write a table."
            )
        if raw.startswith(b"#CHROM"):
            self._write(HEADER_LINE.encode() + (raw[len(raw.rstrip(b"\r\n")) :] or b"\n"))
        if scores:
            values = ",".join("." if score.reason else f"{score.llr:.6g}" for score in scores)
            raw = with_info(raw, f"{KEY}={values}")
        self._write(raw)


def _is_own(path: Path) -> bool:
    if path.name.endswith(TABLES):
        with path.open("rb") as file:
            return file.readline() == ("\t".join(COLUMNS) + "\n").encode()
    try:
        header = takewhile(lambda line: line.variant is None, read_vcf(path))
        return any(line.raw.startswith(DECLARED.encode()) for line in header)
    except UserError:
        return False
