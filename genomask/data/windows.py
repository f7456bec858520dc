"""A genome and a seed in, an endless stream of windows out, and the bases that are kept for validation.

Window number i is a pure function of (seed, i): hashes choose its length, start and strand. There is no state to save
and the stream is the same for any number of workers. Positions are int64.

Letters: B windows, W validation windows, n intervals.
"""

import bisect
import hashlib
import itertools
import os
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import numpy as np

from genomask.data.bases import other_strand
from genomask.data.genome import Genome
from genomask.data.growth import Growth
from genomask.data.intervals import RunningCount, intersect, longest, subtract
from genomask.data.mixture import Component, Mixture, unmixed
from genomask.data.tokenizers.base import DnaTokenizer
from genomask.data.validation_windows import place_validation, windows_at
from genomask.data.window_regions import is_file, near_bases, usable_bases
from genomask.data.window_sampling import GenomeStarts, MixedStarts
from genomask.errors import SettingsError
from genomask.files.inputs import with_absolute_file
from genomask.hashing import Purpose, below, hash64, uniform
from genomask.settings.ranges import MANY, require
from genomask.settings.table import Bounds, Count, Fraction, Pairs, Table

MAX_ATTEMPTS = 4096
"""How often a window is redrawn before the repeat policy counts as impossible."""
PROBE_WINDOWS = 1000
"""Windows that are drawn beforehand to see whether the repeat policy leaves enough."""
MIN_FRACTION_KEPT = 0.02

_ZERO = np.zeros(1, dtype=np.int64)


Bases = Annotated[int, Bounds(least=0, most=MANY)]


@dataclass(frozen=True, kw_only=True)
class WindowSettings(Table, name="windows"):
    """Which stretches of the genome training sees. Lengths are in tokens; the tokenizer knows how many bases these are.

    If tokens differ in length (BPE), a window has about that many, and never more than max_tokens.
    """

    max_tokens: Count = 510
    min_tokens: int = 5
    length_warmup: Pairs = ()
    """How windows grow: pairs [steps, tokens], each for that many steps of windows of up to that many tokens, then
    steps with max_tokens. A step of shorter windows has more of them, at about the same number of tokens."""
    full_fraction: Fraction = 0.5
    """Fraction of windows that have max_tokens; the others are uniform from min_tokens to max_tokens."""
    strand: Literal["forward", "both"] = "forward"
    """"forward", or "both": a coin for each window chooses the reverse complement."""
    repeats: Literal["keep", "skip", "weight", "weight_bases"] = "keep"
    """What to do with windows of which more than repeat_fraction is soft-masked: "keep", "skip", or "weight"; or
    "weight_bases": weigh each token by its own soft-masked bases, whatever its window."""
    repeat_fraction: Fraction = 0.5
    repeat_weight: Fraction = 0.5
    """Loss weight of such a window under repeats = "weight"; under "weight_bases" that of a token whose bases are all
    soft-masked, while one with a fraction f of them weighs 1 - (1 - repeat_weight) * f. GPN uses 0.1."""
    holdout: tuple[str, ...] = ()
    """Kept out of training and validation: records ("chr1"), parts of them ("chr1:1,001-2,000"), all regions or genes
    of a file ("test.bed", "genes.gtf"), or one of them ("genes.gtf:TP53")."""
    include: tuple[str, ...] = ()
    """BED files: training and validation see only these regions."""
    exclude: tuple[str, ...] = ()
    """BED files of regions that neither sees."""
    near: str = ""
    """A BED, GTF or GFF file: windows are drawn around the starts of its regions or genes."""
    upstream: Bases = 16_000
    """Bases before each start, against its strand, that a window near it may lie in."""
    downstream: Bases = 8_000
    """Bases from each start on."""
    near_fraction: Fraction = 1.0
    """Fraction of windows that are drawn near; the others lie anywhere."""
    validation_windows: Annotated[int, Bounds(least=0, most=MANY)] = 2560
    """Windows of 510 bases for validation; fewer where they would take over an eighth of the usable bases, shorter
    where no run of ACGT has as many."""

    def __post_init__(self) -> None:
        super().__post_init__()
        longest = f"between 1 and windows.max_tokens (here {self.max_tokens})"
        require(1 <= self.min_tokens <= self.max_tokens, "windows.min_tokens", longest, self.min_tokens)
        lengths = [self.min_tokens, *(tokens for _, tokens in self.length_warmup), self.max_tokens]
        rises = lengths[0] <= lengths[1] and all(a < b for a, b in itertools.pairwise(lengths[1:]))
        rising = (
            f"pairs [steps, tokens] with tokens that rise, from windows.min_tokens ({self.min_tokens}) or more to less "
            f"than windows.max_tokens ({self.max_tokens})"
        )
        require(rises, "windows.length_warmup", rising, [*map(list, self.length_warmup)])

    def growth(self, sequences: int) -> Growth | None:
        """How windows grow, up to steps of `sequences` sequences; None if they do not."""
        warmup = self.length_warmup
        return Growth.of(warmup, self.max_tokens, sequences, self._mean_tokens) if warmup else None

    def absolute(self) -> "WindowSettings":
        """The same with absolute paths, so that files are found from any folder."""
        holdout, include, exclude = (
            tuple(map(with_absolute_file, texts)) for texts in (self.holdout, self.include, self.exclude)
        )
        near = with_absolute_file(self.near)
        return replace(self, holdout=holdout, include=include, exclude=exclude, near=near)

    @property
    def lost(self) -> str:
        """The first of its files that is missing; "" if none is."""
        files = [*self.include, *self.exclude, *filter(None, [self.near]), *filter(os.path.isabs, self.holdout)]
        return next((text for text in files if not is_file(text)), "")

    def _mean_tokens(self, max_tokens: int) -> float:
        """Mean tokens of a sequence, [CLS] and [SEP] included, if the longest windows have `max_tokens`."""
        return self.full_fraction * max_tokens + (1 - self.full_fraction) * (self.min_tokens + max_tokens) / 2 + 2


class WindowBatch(NamedTuple):
    """Where windows lie, on which strand, and what their loss weighs."""

    starts: np.ndarray  # (B,) int64
    lengths: np.ndarray  # (B,) int64, bases
    reverse: np.ndarray  # (B,) bool, the reverse complement is to be read
    weights: np.ndarray  # (B,) float32


class GenomeWindows:
    """The windows of a genome under given settings: validation fixed by the seed, training without end."""

    def __init__(
        self,
        genome: Genome,
        settings: WindowSettings,
        tokenizer: DnaTokenizer,
        seed: int,
        mixture: Mixture = (),
        growth: Growth | None = None,
    ) -> None:
        """`mixture`: the genomes that `genome` is made of, if they are mixed by weight; `growth`: of the windows.

        Raises SettingsError if hold-out, lengths or repeat policy leave nothing to draw from in one of them.
        """
        self.settings, self.seed = settings, seed
        self.mixture = mixture or unmixed(genome)
        self._growth = growth
        self._tokenizer = tokenizer
        self._repeats = genome.repeats
        usable = usable_bases(genome, settings.include, settings.exclude, settings.holdout)
        usable_of_each = [part.part_of(usable) for part in self.mixture]
        for part, own in zip(self.mixture, usable_of_each, strict=True):
            self._require_room(own, part)
        placed, self.validation_bases = place_validation(
            usable_of_each, self.mixture, settings.validation_windows, self.max_bases, seed
        )
        self.validation_starts = np.concatenate(placed)
        """(W,) int64 starts of validation windows, disjoint, sorted; and the bases of each."""
        self.training = subtract(usable, windows_at(self.validation_starts, self.validation_bases))
        """(n, 2) int64 what training windows may cover: ACGT runs without hold-out and validation, sorted."""
        self.near = self._near(genome)
        """(n, 2) int64 the part of it near the starts that the settings name; None if they name none."""
        self._starts = self._choosers()
        if self.near is not None and settings.near_fraction == 1:
            self.training = self.near
        if settings.repeats == "skip":
            self._require_few_repeats()

    @property
    def regions_key(self) -> str:
        """A key of what region files, or a mixture, make of the genome; empty if there is neither."""
        settings = self.settings
        is_mixed = len(self.mixture) > 1
        reads_files = settings.include or settings.exclude or settings.near or any(map(is_file, settings.holdout))
        if not (reads_files or is_mixed):
            return ""
        arrays = [self.training, self.validation_starts, *([] if self.near is None else [self.near])]
        arrays += [np.array([part.start for part in self.mixture])] if is_mixed else []
        return hashlib.blake2b(b"".join(array.tobytes() for array in arrays), digest_size=12).hexdigest()

    @cached_property
    def repeats(self) -> RunningCount:
        """Counts of the genome's soft-masked bases, built only for windows that need them."""
        return RunningCount.of(self._repeats)

    @property
    def max_bases(self) -> int:
        """Bases of the longest window."""
        return self._tokenizer.bases_for(self.settings.max_tokens)

    def longest_of(self, index: np.ndarray) -> np.ndarray:
        """(B,) int64, the most tokens that the windows numbered `index` may have."""
        return np.full(len(index), self.settings.max_tokens) if self._growth is None else self._growth.longest_of(index)

    def train(self, first: int, count: int) -> WindowBatch:
        """Windows number first .. first + count - 1 of the endless stream."""
        index = np.arange(first, first + count, dtype=np.int64)
        keys = self._keys(index)
        lengths = self._draw_lengths(keys, self.longest_of(index))
        starts = self._draw_starts(keys, lengths)
        reverse = (hash64(keys, Purpose.STRAND, _ZERO) & 1).astype(bool) & (self.settings.strand == "both")
        weights = np.ones(count, dtype=np.float32)
        if self.settings.repeats == "weight":
            weights[self._is_repeat(starts, lengths)] = self.settings.repeat_weight
        return WindowBatch(starts, lengths, reverse, weights)

    def _keys(self, index: np.ndarray) -> np.ndarray:
        return hash64(np.full(1, self.seed, dtype=np.int64), Purpose.WINDOW, index)

    def _draw_lengths(self, keys: np.ndarray, longest: np.ndarray) -> np.ndarray:
        settings = self.settings
        is_full = uniform(keys, Purpose.FULL_LENGTH, _ZERO) < settings.full_fraction
        mixed = settings.min_tokens + below(hash64(keys, Purpose.LENGTH, _ZERO), longest - settings.min_tokens + 1)
        tokens = np.where(is_full, longest, mixed)
        return self._tokenizer.bases_for(tokens)

    def _draw_starts(self, keys: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Uniform over all starts where a window of that length fits; under "skip", over those that pass."""
        starts = self._starts.choose(keys, lengths, attempt=0)
        if self.settings.repeats != "skip":
            return starts
        again = np.flatnonzero(self._is_repeat(starts, lengths))
        for attempt in range(1, MAX_ATTEMPTS):
            if again.size == 0:
                break
            starts[again] = self._starts.choose(keys[again], lengths[again], attempt)
            again = again[self._is_repeat(starts[again], lengths[again])]
        if again.size:
            raise self._too_many_repeats(f"not one of {MAX_ATTEMPTS} windows of {lengths[again[0]]} bases passes")
        return starts

    def _near(self, genome: Genome) -> np.ndarray | None:
        settings = self.settings
        if not settings.near:
            return None
        around = near_bases(genome, Path(settings.near), settings.upstream, settings.downstream)
        near = intersect(around, self.training)
        for part in self.mixture:
            self._require_near(part.part_of(near), part)
        return near

    def _choosers(self) -> MixedStarts:
        near, fraction = (self.training[:0], 0.0) if self.near is None else (self.near, self.settings.near_fraction)
        genomes = [GenomeStarts(part.part_of(self.training), part.part_of(near), fraction) for part in self.mixture]
        return MixedStarts(genomes, [part.fraction for part in self.mixture])

    def _is_repeat(self, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        masked = self.repeats.below(starts + lengths) - self.repeats.below(starts)
        is_repeat: np.ndarray = masked > self.settings.repeat_fraction * lengths
        return is_repeat

    def _require_few_repeats(self) -> None:
        """Look at full-length windows beforehand: a run should not stop on its thousandth step."""
        keys = self._keys(np.arange(PROBE_WINDOWS, dtype=np.int64))
        lengths = np.full(PROBE_WINDOWS, self.max_bases, dtype=np.int64)
        for part, chooser in zip(self.mixture, self._starts.genomes, strict=True):
            kept = 1 - self._is_repeat(chooser.choose(keys, lengths, attempt=0), lengths).mean()
            if kept < MIN_FRACTION_KEPT:
                found = f"only {kept:.1%} of the windows of {self.max_bases} bases pass{part.within}"
                raise self._too_many_repeats(found)

    def _too_many_repeats(self, finding: str) -> SettingsError:
        return SettingsError(
            f'windows.repeats = "skip": {finding}; the others are more than {self.settings.repeat_fraction:.0%} '
            "soft-masked. Raise windows.repeat_fraction or use windows.repeats = keep or weight."
        )

    def _require_near(self, near: np.ndarray, part: Component) -> None:
        if longest(near) < self.max_bases:
            raise SettingsError(
                f"windows.near = {self.settings.near!r}: no start{part.within} has {self.max_bases:,} bases A, C, "
                "G or T in a row around it to train on, as the longest window needs. Raise windows.upstream or "
                "windows.downstream, or lower windows.max_tokens."
            )

    def _require_room(self, usable: np.ndarray, part: Component) -> None:
        room = longest(usable)
        if room < self.max_bases:
            narrowed = self.settings.holdout or self.settings.include or self.settings.exclude
            left_out = " that hold-out, include and exclude leave" if narrowed else ""
            tokens = bisect.bisect_right(range(1, self.settings.max_tokens), room, key=self._tokenizer.bases_for)
            shorten = f"Set windows.max_tokens to at most {tokens}, or give" if tokens > 0 else "Give"
            name = part.name and f" {part.name}"
            raise SettingsError(
                f"the genome{name} is shorter than one window: its longest run of ACGT{left_out} has {room:,} bases, "
                f"and windows.max_tokens = {self.settings.max_tokens} needs {self.max_bases:,}. {shorten} a longer "
                "genome."
            )


def read_window(genome: Genome, start: int, length: int, reverse: bool) -> np.ndarray:
    """(length,) uint8 codes of a window, as its reverse complement if asked; a copy."""
    codes = np.array(genome.codes[start : start + length])
    return other_strand(codes) if reverse else codes
