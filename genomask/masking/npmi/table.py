"""NPMI of n-grams: counts of a genome in, how much more often each n-gram occurs than its parts predict out.

Source: GeneMask (Roy et al., ECAI 2023), Normalized-PMI_k. Arrays have 4**n entries in ACGT lexicographic order;
logarithms are natural.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import ArrayLike

from genomask.errors import DataError, SettingsError
from genomask.masking.npmi.counting import count_ngrams
from genomask.masking.npmi.file import damaged, read_table, write_table
from genomask.masking.npmi.segmentation import best_segmentations, log_probabilities, reverse_complemented
from genomask.settings.table import Bounds, checked

Definition = Literal["exact", "released"]
Strand = Literal["forward", "both"]
MinCount = Annotated[int, Bounds(least=2, below=2**63)]

_SAVED = {"min_count": int, "definition": str, "strand": str, "round_to": list, "genome": str, "regions": str}
"""What a file holds besides the counts, and its types in JSON."""

RARE_FRACTION = 0.10
"""Warn of a larger fraction of words without an NPMI: the genome is small for the length or the min_count."""


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
    """"both": every n-gram is counted on both strands, so a word and its reverse complement share one count and score.

    Each place then counts two words, and min_count is compared with that. A palindrome is counted twice where it
    occurs, once per strand, as its probability among the words of both strands requires.
    """
    round_to: tuple[int, ...] = ()
    """For n = 1, 2, ...: counts are rounded down to a multiple of this before they become probabilities."""
    genome: str = ""
    """Fingerprint of the genome counted, empty if unknown."""
    regions: str = ""
    """Which part of the genome was counted, in words; empty for all of it."""

    def __post_init__(self) -> None:
        check_npmi_settings(self.min_count, self.definition, self.strand)
        for step in self.round_to:
            checked(step, Annotated[int, Bounds(least=1, below=2**63)], "each step of the NPMI's round_to")

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
        from genomask.data.genome import Genome  # its room loads transformers, which takes a second

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
        regions: str = "",
    ) -> "NpmiTable":
        """Count the intervals (m, 2) [start, stop) of uint8 codes; no n-gram leaves its interval or holds an N."""
        check_npmi_settings(min_count, definition, strand)  # before the counting, which can take a while
        counts = count_ngrams(codes, intervals, max_n)
        if strand == "both":
            counts = {n: f + reverse_complemented(f) for n, f in counts.items()}
        return cls(counts, min_count, definition, strand, genome=genome, regions=regions)

    @classmethod
    def from_counts(
        cls,
        counts: Mapping[int, np.ndarray],
        *,
        min_count: int = 101,
        definition: Definition = "exact",
        round_to: Sequence[int] | None = None,
    ) -> "NpmiTable":
        """Take counts {n: (4**n,)} for n = 1..max_n; floats are rounded to the nearest whole number.

        Counts recovered from the digits of a printed table are only close to whole numbers, on either side.
        """
        lengths = range(1, max(1, len(counts)) + 1)  # a missing length leaves one of these without counts
        steps = () if round_to is None else tuple(np.asarray(round_to).tolist())  # numpy's integers become Python's
        return cls({n: _whole(counts.get(n), n) for n in lengths}, min_count, definition, round_to=steps)

    @property
    def max_n(self) -> int:
        """Length of the longest n-grams."""
        return max(self.ngram_counts)

    def counts(self, n: int) -> np.ndarray:
        """(4**n,) int64 occurrences."""
        if n not in self.ngram_counts:
            more = f"; count with --max-n {n} (in Python max_n={n})" if n > self.max_n else ""
            raise SettingsError(f"this NPMI table holds n-grams up to {self.max_n}, not {n}{more}.")
        return self.ngram_counts[n]

    def naive_pmi(self, n: int) -> np.ndarray:
        """(4**n,) float64, nats: ln p against the letters of the word alone; -inf for words never seen.

        Raises SettingsError as `pmi` does.
        """
        self._require_parts(n)
        letters = best_segmentations({m: self._log_p[m] for m in range(1, n + 1)}, longest_part=1)
        return self._against(letters[n], n, np.isneginf(self._log_p[n]))

    def pmi(self, n: int) -> np.ndarray:
        """(4**n,) float64, nats: ln p against the likeliest segmentation into two or more parts; -inf if too rare.

        A word that is itself rounded down to zero is too rare. Raises SettingsError where its parts are: the word would
        outrank every other, and no segmentation shows by how much.
        """
        self._require_parts(n)
        return self._against(self._best_segmentation[n], n, self._is_rare(n) | np.isneginf(self._log_p[n]))

    def npmi(self, n: int) -> np.ndarray:
        """(4**n,) float64: PMI times ln f / (ln f + ln min_count), which discounts rare n-grams; -inf if too rare."""
        log_f = np.log(np.maximum(self.counts(n), self.min_count))
        return self.pmi(n) * (log_f / (log_f + math.log(self.min_count)))

    def fraction_below_min_count(self, n: int) -> float:
        """Fraction of the counted n-grams (with repetition) whose word is too rare to have an NPMI."""
        counts = self.counts(n)
        return float(counts[self._is_rare(n)].sum() / max(1, counts.sum()))

    def save(self, path: Path | str) -> None:
        """Write one file, whole or not at all."""
        write_table(Path(path), {name: getattr(self, name) for name in _SAVED}, self.ngram_counts)

    @classmethod
    def load(cls, path: Path | str) -> "NpmiTable":
        """Read what `save` wrote. Raises DataError for any other file."""
        settings, counts = read_table(Path(path))
        if {name: type(value) for name, value in settings.items()} != _SAVED or not counts:
            raise damaged(Path(path))
        try:
            return cls(counts, **settings | {"round_to": tuple(settings["round_to"])})
        except (LookupError, TypeError, ValueError, SettingsError) as error:
            raise damaged(Path(path)) from error

    def _require_parts(self, n: int) -> None:
        self.counts(n)
        if n < 2:
            raise SettingsError("a single base has no NPMI; ask for n of at least 2.")

    def _against(self, parts: np.ndarray, n: int, unscored: np.ndarray) -> np.ndarray:
        """(4**n,) ln p less that of the parts, -inf where unscored."""
        if np.isneginf(parts[~unscored]).any():
            raise SettingsError(
                f"NPMI: some {n}-grams to score have parts that occur 0 times after rounding down by "
                f"round_to={self.round_to}; give smaller steps, or counts that all come from one genome."
            )
        scores = np.full(4**n, -np.inf)
        np.subtract(self._log_p[n], parts, out=scores, where=~unscored)
        if self.strand == "forward":
            return scores
        # a word and its reverse complement are summed in different orders, so their last bits would prevent a tie
        return np.maximum(scores, reverse_complemented(scores))

    def _is_rare(self, n: int) -> np.ndarray:
        return self.counts(n) < self.min_count

    @cached_property
    def _log_p(self) -> dict[int, np.ndarray]:
        factor = 0.5 if self.definition == "released" else 1
        return log_probabilities(self.ngram_counts, self.round_to, factor)

    @cached_property
    def _best_segmentation(self) -> dict[int, np.ndarray]:
        return best_segmentations(self._log_p, longest_part=2 if self.definition == "released" else self.max_n)


def _whole(given: ArrayLike | None, n: int) -> np.ndarray:
    """(4**n,) int64, floats rounded to the nearest. Raises DataError unless there is a count of each n-gram."""
    counts = np.asarray(given)
    if counts.shape != (4**n,):
        raise DataError(f"NPMI needs the counts of all {n}-grams as an array of {4**n}, likewise for every n from 1.")
    is_count = (counts >= 0) & (counts < 2**63)  # nan fails both
    if not is_count.all():
        raise DataError(f"NPMI needs the count of each {n}-gram, 0 or more; got {counts[~is_count][0]}.")
    return (np.rint(counts) if np.issubdtype(counts.dtype, np.floating) else counts).astype(np.int64)


def check_npmi_settings(min_count: int, definition: str, strand: str) -> None:
    """Raises SettingsError for a setting that is out of range or unknown."""
    checked(min_count, MinCount, "the NPMI's min_count")
    checked(definition, Definition, "the NPMI's definition")
    checked(strand, Strand, "the NPMI's strand")


def rarity_warning(table: NpmiTable, lengths: Iterable[int], settings: str) -> str:
    """A warning where more than a tenth of the words of some length are too rare, else empty.

    `settings` names what to lower.
    """
    fractions = {n: fraction for n in lengths if (fraction := table.fraction_below_min_count(n)) > RARE_FRACTION}
    if not fractions:
        return ""
    figures = ", ".join(f"{100 * fraction:.0f} % of its {n}-mers" for n, fraction in fractions.items())
    return (
        f"this genome is small: {figures} are words seen fewer than {table.min_count} times, which have no NPMI and "
        f"share the last rank; lower {settings}"
    )
