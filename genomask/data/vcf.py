"""A VCF in, its lines out, each as it stands and, if it holds a variant, parsed as far as scoring needs it.

Plain, gzip or bgzip, recognised by the first bytes; streamed in bounded memory. Only the first eight columns of a data
line are parsed; genotypes are carried, not read.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from genomask.data.intervals import is_position
from genomask.data.lines import decoded, numbered_bytes
from genomask.errors import DataError, counted, quoted
from genomask.files.inputs import named

COLUMNS = 8
LETTERS = re.compile("[ACGTUNRYSWKMBDHV]+", re.IGNORECASE)
"""An allele that is spelt out: IUPAC letters, though VCF itself allows only A C G T N."""
SPELT = re.compile("[ACGTU]+", re.IGNORECASE)
UNSPELT = re.compile(r"\*|<[^<>]+>|\.?[A-Za-z]*[\[\]][^\[\]]+[\[\]][A-Za-z]*\.?|\.[A-Za-z]+|[A-Za-z]+\.")
"""Alleles that VCF names without spelling them: one deleted upstream, <DEL> and the like, breakends."""

_WITHOUT_TABS = re.compile(rb"#CHROM[ ,;]")
"""The header line without tabs, as an editor or a spreadsheet writes it."""


class Variant(NamedTuple):
    """The columns of a data line, as they are written."""

    record: str
    position: int  # of the first letter of REF, from 1
    id: str
    ref: str
    alts: tuple[str, ...]  # empty where ALT is '.'
    info: str


class VcfLine(NamedTuple):
    """A line of a VCF: header, variant, or blank."""

    number: int  # from 1
    raw: bytes  # with its end
    variant: Variant | None


def read_vcf(path: Path) -> Iterator[VcfLine]:
    """All lines of a VCF, without a byte order mark, which other tools refuse.

    Raises DataError, with the line, for what is no VCF.
    """
    n_columns, name = 0, named(path)
    for number, raw in numbered_bytes(path):
        where = f"{name}, line {number}"
        if number == 1:
            _refuse_other_files(raw, where)
        if _WITHOUT_TABS.match(raw):
            raise DataError(f"{where}: its columns are not separated by tabs, as VCF requires. Put a tab between them.")
        if raw.startswith(b"#") or not raw.strip():
            if raw.startswith(b"#CHROM\t"):
                n_columns = _columns(raw.rstrip())
            yield VcfLine(number, raw, None)
            continue
        if not n_columns:
            raise DataError(f"{where}: a variant before the line that begins with #CHROM. Give the whole VCF.")
        if (found := _columns(raw)) < max(COLUMNS, n_columns):
            raise DataError(f"{where}: {counted(found, 'column')}; {_wanted(n_columns)}, between tabs.")
        yield VcfLine(number, raw, _variant(raw, where))
    if not n_columns:
        raise DataError(f"{name}: no line begins with #CHROM, so this is not a VCF, or only the beginning of one.")


def with_info(raw: bytes, entry: str) -> bytes:
    """The line with one more entry at the end of INFO, all else unchanged but for a ';' that ends it."""
    body = raw.rstrip(b"\r\n")
    columns = body.split(b"\t", COLUMNS)
    info = columns[7].rstrip(b";")
    columns[7] = entry.encode() if info in (b".", b"") else info + b";" + entry.encode()
    return b"\t".join(columns) + raw[len(body) :]


def is_spelt(allele: str) -> bool:
    """Is an allele written in A, C, G and T (or U) alone, as scoring needs it?"""
    return SPELT.fullmatch(allele) is not None


def info_value(info: str, key: str) -> str | None:
    """The value of an entry of INFO; "" for a flag, None where it is absent or '.'."""
    for entry in info.split(";"):
        name, _, value = entry.partition("=")
        if name == key:
            return None if value == "." else value
    return None


def same_record(name: str, known: Iterable[str]) -> str | None:
    """The name of the record `name` among `known`: the same, or with or without chr; M is MT."""
    plain = name.removeprefix("chr")
    other = {"M": "MT", "MT": "M"}.get(plain, plain)
    spelt = (name, plain, f"chr{plain}", other, f"chr{other}")
    return next((each for each in spelt if each in known), None)


def _refuse_other_files(first: bytes, where: str) -> None:
    if first.startswith(b"BCF"):
        raise DataError(f"{where}: this is BCF, the binary form. Convert it with `bcftools view`.")
    if not first.startswith(b"#"):
        raise DataError(f"{where}: a VCF begins with ##fileformat=VCF; this file does not.")


def _columns(raw: bytes) -> int:
    return raw.count(b"\t") + 1


def _wanted(n_columns: int) -> str:
    return f"its #CHROM line has {n_columns}" if n_columns > COLUMNS else f"a VCF has at least {COLUMNS}"


def _variant(raw: bytes, where: str) -> Variant:
    columns = raw.rstrip(b"\r\n").split(b"\t", COLUMNS)
    record, position, name, ref, alt, _, _, info = decoded(b"\t".join(columns[:COLUMNS]), where).split("\t")
    if not is_position(position):
        raise DataError(f"{where}: POS is {quoted(position)}; a whole number, counted from 1, is expected.")
    if not record or not (record + name).isprintable():
        raise DataError(f"{where}: CHROM {quoted(record)} or ID {quoted(name)} is empty or holds control characters.")
    if not LETTERS.fullmatch(ref):
        raise DataError(f"{where}: REF is {quoted(ref)}; the letters of bases are expected.")
    alts = () if alt == "." else tuple(alt.split(","))
    for each in alts:
        if not (LETTERS.fullmatch(each) or UNSPELT.fullmatch(each)):
            raise DataError(f"{where}: ALT {quoted(each)} is neither letters of bases nor a symbol that VCF knows.")
    return Variant(record, int(position), name, ref, alts, info)
