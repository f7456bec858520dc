"""NPMI of n-grams: counts of a genome in, how much more often than its parts predict each n-gram occurs out.

Source: GeneMask (Roy et al., ECAI 2023), Normalized-PMI_k. Arrays have 4**n entries in ACGT lexicographic order;
logarithms are natural.
"""

import json
import math
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from genomask.errors import DataError, SettingsError

Definition = Literal["exact", "released"]
Strand = Literal["forward", "both"]
_FORMAT = 1


@dataclass(frozen=True, eq=False)
class NpmiTable:
    """Counts of all n-grams, n = 1..max_n, and the scores that follow from them."""

    ngram_counts: dict[int, np.ndarray]
    """{n: (4**n,) int64}."""
    min_count: int = 101
    """n-grams counted less often score -inf; also damps the scores of rare ones."""
    definition: Definition = "exact"
    """"exact": over all segmentations. "released": parts of one or two letters, every probability halved."""
    strand: Strand = "forward"
    """"both": each n-gram counted together with its reverse complement."""
    round_to: tuple[int, ...] = ()
    """For n = 1, 2, ...: counts are rounded down to a multiple of this before they become probabilities."""
    genome: str = ""
    """Fingerprint of the genome counted, empty if unknown."""
    _log_p: dict[int, np.ndarray] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.min_count < 2:
            raise SettingsError(f"the NPMI's min_count must be at least 2, got {self.min_count}.")
        if self.definition not in get_args(Definition):
            raise SettingsError(f"NPMI definition must be 'exact' or 'released', got {self.definition!r}.")
        if self.strand not in get_args(Strand):
            raise SettingsError(f"NPMI strand must be 'forward' or 'both', got {self.strand!r}.")
        object.__setattr__(self, "_log_p", {n: self._log_probability(n) for n in self.ngram_counts})

    @classmethod
    def from_fasta(
        cls,
        paths: Path | str | Sequence[Path | str],
        *,
        max_n: int = 6,
        min_count: int = 101,
        definition: Definition = "exact",
        strand: Strand = "forward",
    ) -> "NpmiTable":
        """Count whole FASTA files."""
        from genomask.data.genome import Genome  # reads files: not needed by those who bring their own counts

        genome = Genome.open(paths)
        return cls.from_intervals(
            genome.codes, genome.runs, max_n=max_n, min_count=min_count, definition=definition, strand=strand,
            genome=genome.fingerprint,
        )  # fmt: skip

    @classmethod
    def from_intervals(
        cls,
        codes: np.ndarray,
        intervals: np.ndarray,
        *,
        max_n: int = 6,
        min_count: int = 101,
        definition: Definition = "exact",
        strand: Strand = "forward",
        genome: str = "",
    ) -> "NpmiTable":
        """Count the intervals (m, 2) [start, stop) of uint8 codes; no n-gram leaves its interval or holds an N."""
        from genomask.masking.counting import count_ngrams  # numba takes a second to import

        counts = count_ngrams(codes, intervals, max_n)
        if strand == "both":
            counts = {n: f + reverse_complemented(f) for n, f in counts.items()}
        return cls(counts, min_count, definition, strand, genome=genome)

    @classmethod
    def from_counts(
        cls,
        counts: Mapping[int, np.ndarray],
        *,
        min_count: int = 101,
        definition: Definition = "exact",
        round_to: Sequence[int] | None = None,
    ) -> "NpmiTable":
        """Take counts {n: (4**n,)} for n = 1..max_n as they are."""
        for n in range(1, max(counts) + 1):
            if n not in counts or np.shape(counts[n]) != (4**n,):
                raise DataError(
                    f"NPMI needs the counts of all {n}-grams as an array of {4**n}, and so for every n from 1."
                )
        as_int = {n: np.asarray(counts[n], dtype=np.int64) for n in sorted(counts)}
        return cls(as_int, min_count, definition, round_to=tuple(round_to or ()))

    @property
    def max_n(self) -> int:
        """Length of the longest n-grams."""
        return max(self.ngram_counts)

    def counts(self, n: int) -> np.ndarray:
        """(4**n,) int64 occurrences."""
        if n not in self.ngram_counts:
            raise SettingsError(f"this NPMI table holds n-grams up to {self.max_n}, not {n}; count with max_n={n}.")
        return self.ngram_counts[n]

    def pmi(self, n: int) -> np.ndarray:
        """(4**n,) float64, nats: ln p against the likeliest segmentation into two or more parts; -inf if too rare."""
        rare = self.counts(n) < self.min_count
        if n < 2:
            raise SettingsError("a single base has no NPMI; ask for n of at least 2.")
        with np.errstate(invalid="ignore"):  # -inf less -inf, of words whose rounded count is zero
            pmi = self._log_p[n] - self._best_segmentation(n)
        return np.where(rare | np.isnan(pmi), -np.inf, pmi)

    def npmi(self, n: int) -> np.ndarray:
        """(4**n,) float64: PMI times ln f / (ln f + ln min_count), which discounts rare n-grams; -inf if too rare."""
        log_f = np.log(np.maximum(self.counts(n), self.min_count))
        return self.pmi(n) * (log_f / (log_f + math.log(self.min_count)))

    def share_below_min_count(self, n: int) -> float:
        """Share of the counted n-grams (with repetition) whose word is too rare to have an NPMI."""
        counts = self.counts(n)
        return float(counts[counts < self.min_count].sum() / max(1, counts.sum()))

    def save(self, path: Path | str) -> None:
        """Write one file, whole or not at all."""
        fields = ("min_count", "definition", "strand", "round_to", "genome")
        header = json.dumps({"format": _FORMAT} | {name: getattr(self, name) for name in fields})
        arrays = {"header": np.array(header)} | {f"n{n}": counts for n, counts in self.ngram_counts.items()}
        aside = Path(f"{path}.{os.getpid()}")
        try:
            with aside.open("wb") as file:
                np.savez(file, allow_pickle=False, **arrays)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: Path | str) -> "NpmiTable":
        """Read what `save` wrote. Raises DataError for any other file."""
        try:
            with np.load(path, allow_pickle=False) as file:
                header = json.loads(str(file["header"]))
                counts = {n: file[f"n{n}"] for n in range(1, len(file.files))}
        except (zipfile.BadZipFile, EOFError, ValueError, KeyError, OSError) as error:
            raise DataError(f"{path} is not an NPMI table; make one with `genomask npmi`.") from error
        if header.pop("format") != _FORMAT:
            raise DataError(f"{path} was written by another version of genomask; make it again with `genomask npmi`.")
        return cls(counts, **header | {"round_to": tuple(header["round_to"])})

    def _log_probability(self, n: int) -> np.ndarray:
        f = self.ngram_counts[n]
        if n <= len(self.round_to):
            f = f // self.round_to[n - 1] * self.round_to[n - 1]
        with np.errstate(divide="ignore"):
            log_p = np.log(f / max(1, f.sum()))
        return log_p - math.log(2) if self.definition == "released" else log_p

    def _best_segmentation(self, n: int) -> np.ndarray:
        """(4**n,) largest sum of ln p(part) over segmentations into two or more parts.

        The likeliest way to split a word is its first part followed by the likeliest way to split (or keep) the rest.
        """
        longest_part = 2 if self.definition == "released" else n
        best: dict[int, np.ndarray] = {}  # over one or more parts
        for length in range(1, n + 1):
            parts = range(1, min(length - 1, longest_part) + 1)
            splits = [np.add.outer(self._log_p[first], best[length - first]).ravel() for first in parts]
            several = np.max(splits, axis=0) if splits else np.full(4**length, -np.inf)
            best[length] = np.maximum(several, self._log_p[length]) if length <= longest_part else several
        return several


def reverse_complemented(values: np.ndarray) -> np.ndarray:
    """The value of each word's reverse complement, of values (4**n,)."""
    n = round(math.log(len(values), 4))
    by_letter = values.reshape((4,) * n)
    return np.flip(by_letter.transpose()).ravel()
