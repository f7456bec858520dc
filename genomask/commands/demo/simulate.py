"""A simulated genome with something to learn, and a task about it: a seed in, a FASTA and two TSV files out.

The genome is an order-1 background, poor in CpG as vertebrate genomes are, in which 80 % of the bases belong to
elements of two kinds. Each kind has its own 16 motifs, which stand a few background bases apart; nothing but their
repetition sets motifs apart from the background. The task is to tell the kinds apart on fresh elements that are not in
the genome. Motifs never leave this file: model, tokenizer and task code see only sequences.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from genomask.errors import SettingsError
from genomask.files.atomic import atomic_file, atomic_write

COMPOSITION = np.array([0.28, 0.22, 0.22, 0.28])  # A C G T before CpG decay
CPG_FRACTION = 0.2
"""CpG dinucleotides of the background, as a fraction of what its composition would give."""
MOTIFS_PER_KIND, MOTIF_LENGTH, FREE_POSITIONS = 16, 10, 2
ELEMENT_LENGTHS, GAP_LENGTHS, SPACER_LENGTHS = (100, 300), (10, 90), (2, 8)  # inclusive; means 200 and 50: 80 %
TASK_LENGTH = 100
LINE_LENGTH = 80


@dataclass(frozen=True, kw_only=True)
class SimulationSettings:
    """How much to simulate."""

    bases: int = 1_000_000
    """Length of the genome, one record."""
    pool_sequences: int = 4_000
    """Labelled sequences to draw shots from, half of each kind: as many as 20 draws of 100 shots take."""
    test_sequences: int = 1_000
    """Labelled sequences to score on, half of each kind."""

    def __post_init__(self) -> None:
        least = ELEMENT_LENGTHS[1] + GAP_LENGTHS[1]
        if self.bases < least:
            raise SettingsError(
                f"bases must be at least {least}, the length of one element and its gap; got {self.bases}"
            )
        if min(self.pool_sequences, self.test_sequences) < 2:
            raise SettingsError("pool_sequences and test_sequences must be at least 2, one of each kind")


class SimulatedFiles(NamedTuple):
    """Where the files are."""

    genome: Path
    pool: Path
    test: Path


class Motifs(NamedTuple):
    """Letters: K kinds, M motifs of a kind, P positions."""

    letters: np.ndarray  # (K, M, P) uint8, A0 C1 G2 T3
    is_fixed: np.ndarray  # (K, M, P) bool, False where each copy keeps the background's base


def simulate(out: Path, seed: int, settings: SimulationSettings | None = None) -> SimulatedFiles:
    """Write genome.fa, pool.tsv and test.tsv into `out`; the same seed gives the same bytes."""
    settings = settings or SimulationSettings()
    rng = np.random.default_rng(seed)
    motifs = draw_motifs(rng)
    files = SimulatedFiles(out / "genome.fa", out / "pool.tsv", out / "test.tsv")
    codes, _ = draw_genome(rng, motifs, settings.bases)
    with atomic_file(files.genome) as file:  # another demo in this folder may be reading the same bytes
        file.write(b">simulated\n" + _lines(codes))
    for path, count in ((files.pool, settings.pool_sequences), (files.test, settings.test_sequences)):
        atomic_write(path, _task_rows(*draw_task(rng, motifs, count)))
    return files


def draw_background(rng: Generator, length: int) -> np.ndarray:
    """(length,) uint8 bases of an order-1 chain: independent bases, except that the G of most CpGs decays to A.

    Decay of a G does not change the next base's odds, so this is exactly a first-order chain; a fraction d of decay
    leaves (1 - d) / (1 - d p_C) of the expected CpGs.
    """
    codes = rng.choice(4, size=length, p=COMPOSITION).astype(np.uint8)
    decay = (1 - CPG_FRACTION) / (1 - CPG_FRACTION * COMPOSITION[1])
    is_cpg = (codes[:-1] == 1) & (codes[1:] == 2)
    codes[1:][is_cpg & (rng.random(length - 1) < decay)] = 0
    return codes


def draw_motifs(rng: Generator) -> Motifs:
    """Two kinds of motifs, cut from the background; the free positions lie inside, so that every motif is 10 long."""
    shape = (2, MOTIFS_PER_KIND, MOTIF_LENGTH)
    letters = draw_background(rng, int(np.prod(shape))).reshape(shape)
    ranks = rng.random((*shape[:2], MOTIF_LENGTH - 2)).argsort(-1)
    is_fixed = np.ones(shape, dtype=bool)
    is_fixed[..., 1:-1] = ranks >= FREE_POSITIONS
    return Motifs(letters, is_fixed)


def draw_genome(rng: Generator, motifs: Motifs, bases: int) -> tuple[np.ndarray, np.ndarray]:
    """(bases,) uint8 codes and (n, 3) int64 elements: start, stop, kind."""
    most = bases // (ELEMENT_LENGTHS[0] + GAP_LENGTHS[0]) + 1
    gaps, lengths = _draw_lengths(rng, GAP_LENGTHS, most), _draw_lengths(rng, ELEMENT_LENGTHS, most)
    stops = (gaps + lengths).cumsum()
    elements = np.stack([stops - lengths, stops, rng.integers(2, size=most)], 1)[stops <= bases]
    codes = draw_background(rng, bases)
    _place_motifs(rng, motifs, codes, elements)
    return codes, elements


def draw_task(rng: Generator, motifs: Motifs, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(count, TASK_LENGTH) uint8 codes and (count,) kinds in random order: pieces of fresh elements of full length."""
    kinds = rng.permutation(np.arange(count) % 2)
    length = ELEMENT_LENGTHS[1]
    starts = np.arange(count) * length
    codes = draw_background(rng, count * length)
    _place_motifs(rng, motifs, codes, np.stack([starts, starts + length, kinds], 1))
    pieces = starts + rng.integers(length - TASK_LENGTH + 1, size=count)
    return codes[pieces[:, None] + np.arange(TASK_LENGTH)], kinds


def _place_motifs(rng: Generator, motifs: Motifs, codes: np.ndarray, elements: np.ndarray) -> None:
    """Write motifs into every element from its start, with a spacer after each, while they fit whole."""
    slots = ELEMENT_LENGTHS[1] // (MOTIF_LENGTH + SPACER_LENGTHS[0])
    steps = MOTIF_LENGTH + _draw_lengths(rng, SPACER_LENGTHS, (len(elements), slots))
    starts = elements[:, :1] + steps.cumsum(1) - steps
    which = rng.integers(MOTIFS_PER_KIND, size=starts.shape)
    fits = starts + MOTIF_LENGTH <= elements[:, 1:2]
    kinds = np.broadcast_to(elements[:, 2:], starts.shape)[fits]
    letters, is_fixed = (table[kinds, which[fits]] for table in motifs)
    at = starts[fits][:, None] + np.arange(MOTIF_LENGTH)
    codes[at[is_fixed]] = letters[is_fixed]


def _draw_lengths(rng: Generator, bounds: tuple[int, int], shape: int | tuple[int, ...]) -> np.ndarray:
    return rng.integers(bounds[0], bounds[1], size=shape, endpoint=True)


def _letters(codes: np.ndarray) -> np.ndarray:
    letters: np.ndarray = np.frombuffer(b"ACGT", dtype=np.uint8)[codes]
    return letters


def _lines(codes: np.ndarray) -> bytes:
    """FASTA lines of LINE_LENGTH letters."""
    text = _letters(codes).tobytes()
    return b"".join(text[at : at + LINE_LENGTH] + b"\n" for at in range(0, len(text), LINE_LENGTH))


def _task_rows(codes: np.ndarray, kinds: np.ndarray) -> str:
    """A TSV with header: sequence, label."""
    rows = (f"{_letters(row).tobytes().decode()}\tkind-{'AB'[kind]}\n" for row, kind in zip(codes, kinds, strict=True))
    return "sequence\tlabel\n" + "".join(rows)
