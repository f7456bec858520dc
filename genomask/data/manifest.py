"""What a genome is made of: files and their digests, bases of each kind, runs; and what windows would use of it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genomask.data.fasta import UNKNOWN
from genomask.data.genome import Genome
from genomask.data.intervals import longest, total_length
from genomask.data.validation_windows import windows_at
from genomask.data.windows import GenomeWindows
from genomask.files.cache import CHUNK_BYTES

C, G = 1, 2


@dataclass(frozen=True, kw_only=True)
class FileFacts:
    """One file as it lies on disk."""

    path: str
    size: int
    """Bytes."""
    sha256: str

    @classmethod
    def of(cls, path: Path) -> "FileFacts":
        """Reads the whole file."""
        with path.open("rb") as file:
            return cls(path=str(path), size=path.stat().st_size, sha256=hashlib.file_digest(file, "sha256").hexdigest())


@dataclass(frozen=True, kw_only=True)
class ComponentFacts:
    """What windows use of one of several genomes."""

    name: str
    fraction: float
    """Of the training windows."""
    acgt: int
    training: int
    """Bases."""
    validation_windows: int


@dataclass(frozen=True, kw_only=True)
class WindowFacts:
    """What windows use of a genome, in bases."""

    training: int
    """Where training windows may lie."""
    training_intervals: int
    """Stretches of it."""
    left_out: int
    """Seen by neither training nor validation: held out, excluded, not included, or not near."""
    validation_windows: int
    validation_bases: int
    """Of each."""
    longest: int
    """Of a training window."""
    genomes: tuple[ComponentFacts, ...]
    """Where several are mixed by weight."""

    @classmethod
    def of(cls, genome: Genome, windows: GenomeWindows) -> "WindowFacts":
        """The facts of windows over the genome."""
        training, count = total_length(windows.training), len(windows.validation_starts)
        return cls(
            training=training,
            training_intervals=len(windows.training),
            left_out=total_length(genome.runs) - training - count * windows.validation_bases,
            validation_windows=count,
            validation_bases=windows.validation_bases,
            longest=windows.max_bases,
            genomes=tuple(
                ComponentFacts(
                    name=part.name,
                    fraction=part.fraction,
                    acgt=total_length(part.part_of(genome.runs)),
                    training=total_length(part.part_of(windows.training)),
                    validation_windows=len(part.part_of(windows_at(windows.validation_starts, 1))),
                )
                for part in windows.mixture
                if part.name
            ),
        )


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a genome is made of."""

    files: tuple[FileFacts, ...]
    fingerprint: str
    records: int
    bases: int
    acgt: int
    n: int
    """Letters N, which no window has."""
    other: int
    """IUPAC letters such as R, which are read as N."""
    soft_masked: int
    gc_fraction: float
    """Of A, C, G and T."""
    runs: int
    """Stretches of A, C, G and T, where windows may lie."""
    longest_run: int

    @classmethod
    def of(cls, genome: Genome) -> "Manifest":
        """Reads all codes and files."""
        acgt = total_length(genome.runs)
        return cls(
            files=tuple(map(FileFacts.of, genome.files)),
            fingerprint=genome.fingerprint,
            records=len(genome.names),
            bases=len(genome.codes),
            acgt=acgt,
            n=len(genome.codes) - acgt - genome.ambiguous,
            other=genome.ambiguous,
            soft_masked=total_length(genome.repeats),
            gc_fraction=_count_gc(genome.codes) / acgt,
            runs=len(genome.runs),
            longest_run=longest(genome.runs),
        )


def _count_gc(codes: np.ndarray) -> int:
    """The number of C and G, codes 1 and 2, counted a few megabytes at a time."""
    assert UNKNOWN > G
    chunks = (codes[at : at + CHUNK_BYTES] for at in range(0, len(codes), CHUNK_BYTES))
    return sum(int(np.count_nonzero((chunk == C) | (chunk == G))) for chunk in chunks)
