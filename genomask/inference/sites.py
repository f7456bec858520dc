"""Variants on a genome: where each one's REF lies, whether it matches the genome, and the bases around it."""

import logging
from typing import NamedTuple

import numpy as np

from genomask.data.bases import base_codes, letters_of
from genomask.data.fasta import UNKNOWN
from genomask.data.genome import Genome
from genomask.data.vcf import Variant, is_spelt, same_record
from genomask.errors import shown

log = logging.getLogger(__name__)


class Place(NamedTuple):
    """[start, stop) of a variant's REF in the genome's codes; `fault`: why it is not there, or ""."""

    start: int
    stop: int
    fault: str = ""


class Sites:
    """A genome, looked up by the names and positions of VCFs; chr22 and 22, chrM and MT are one record."""

    def __init__(self, genome: Genome) -> None:
        self.codes = genome.codes
        self.runs = np.array(genome.runs)
        ends = zip(genome.offsets[:-1].tolist(), genome.offsets[1:].tolist(), strict=True)
        self._records = dict(zip(genome.names, ends, strict=True))
        self._names: dict[str, str | None] = {}

    def place(self, variant: Variant) -> Place:
        """Where the variant is; with a fault where the genome has no such record, or other bases there.

        Where no ALT is spelt there is nothing to score: REF may be N, and POS outside the record, as at ends in VCF.
        """
        if not any(map(is_spelt, variant.alts)):
            return Place(0, 0)
        name = self._genomes_name(variant.record)
        where = f"{shown(variant.record)}:{variant.position}"
        if name is None:
            known = ", ".join(map(shown, list(self._records)[:5]))
            return Place(0, 0, f"{where}: the genome has no such record; its first records are: {known}")
        begin, end = self._records[name]
        start = begin + variant.position - 1
        stop = start + len(variant.ref)
        if not begin <= start < stop <= end:
            return Place(0, 0, f"{where}: record {shown(name)} of the genome has {end - begin:,} bases")
        found = self.codes[start:stop]
        if not np.all((found == base_codes(variant.ref)) | _any_base(variant.ref)):
            letters = letters_of(found[:30])
            return Place(0, 0, f"{where}: REF is {shown(variant.ref, 30)}, and the genome has {letters} there")
        return Place(start, stop)

    def stretch(self, place: Place, reach: int) -> tuple[int, np.ndarray] | None:
        """First position and codes of the ACGT around a REF, at most `reach` on both sides; None where it has an N."""
        run = int(np.searchsorted(self.runs[:, 0], place.start, side="right")) - 1
        if run < 0 or place.stop > self.runs[run, 1]:
            return None
        first, last = max(int(self.runs[run, 0]), place.start - reach), min(int(self.runs[run, 1]), place.stop + reach)
        codes = np.array(self.codes[first:last])
        assert UNKNOWN not in codes
        return first, codes

    def _genomes_name(self, name: str) -> str | None:
        """The genome's name for a VCF's record, logged once where it differs."""
        if name not in self._names:
            self._names[name] = found = same_record(name, self._records)
            if found not in (name, None):
                log.info("record %s of the VCF is taken to be %s of the genome", shown(name), shown(str(found)))
        return self._names[name]


def _any_base(ref: str) -> np.ndarray:
    """(letters,) bool: N, which stands for whatever the genome has."""
    is_any: np.ndarray = np.frombuffer(ref.upper().encode(), dtype=np.uint8) == ord("N")
    return is_any
