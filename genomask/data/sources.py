"""What training reads: an endless stream of token sequences, and a fixed validation set, from genomes or text.

Sequence number i of the stream is a pure function of (seed, i): there is no state to save, and any number of workers
may each take their own part.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from transformers import PreTrainedTokenizerBase

from genomask.data.best_fit import best_fit, joined
from genomask.data.genome import Genome
from genomask.data.growth import Growth
from genomask.data.intervals import RunningCount
from genomask.data.manifest import Manifest, WindowFacts
from genomask.data.mixture import Mixture
from genomask.data.packing import pack, shortened
from genomask.data.permutation import permute
from genomask.data.repeats import soft_masked, weigh_repeats
from genomask.data.settings import DocumentSettings
from genomask.data.text import corpus_files
from genomask.data.token_store import TokenStore
from genomask.data.tokenizers.base import DnaTokenizer
from genomask.data.tokenizers.wordpiece import token_bases_of
from genomask.data.unknown import require_known_words
from genomask.data.validation_windows import windows_at
from genomask.data.windows import GenomeWindows, WindowSettings, read_window
from genomask.errors import DataError, SettingsError, counted
from genomask.files.cache import default_cache, key_of
from genomask.hashing import Purpose, hash64
from genomask.types import TokenBases, TokenSequences

VALIDATION_FRACTION = 0.1
"""Validation takes at most this fraction of the documents."""
LOOKED_AT = 2_000
"""Sequences of a corpus, evenly spread, that show whether the vocabulary fits it."""


class TrainingBases(NamedTuple):
    """The bases that a run trains on."""

    codes: np.ndarray  # (bases,) uint8 of the whole genome
    intervals: np.ndarray  # (n, 2) int64, those without the hold-out and the validation windows
    strand: Literal["forward", "both"]
    genome: str  # its fingerprint


class ValidationBases(NamedTuple):
    """The bases of the validation windows, all of one length. Letters: W windows, L bases of one."""

    codes: np.ndarray  # (W, L) uint8
    repeats: np.ndarray  # (W, L) bool, soft-masked
    genomes: Mapping[str, slice]  # the windows of each of several genomes; empty where there is one


class Source(Protocol):
    """What training needs of its data, DNA or text."""

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer that made the ids."""
        ...

    @property
    def token_bases(self) -> TokenBases:
        """What masking needs to know about the ids."""
        ...

    @property
    def fingerprint(self) -> str:
        """Hash of the data, whatever its files are called: a run resumes only on the data it began with."""
        ...

    @property
    def description(self) -> str:
        """How much there is to train on, and what is held out, in words."""
        ...

    @property
    def training_bases(self) -> TrainingBases | None:
        """Where words are counted; None for text."""
        ...

    @property
    def validation_bases(self) -> ValidationBases | None:
        """What the held-out sequences cover; None for text."""
        ...

    def manifest(self) -> Mapping[str, Any] | None:
        """What it is made of, file by file, for the run's folder; None for text, whose shards are not read for this."""
        ...

    def train(self, first: int, count: int) -> TokenSequences:
        """Sequences number first .. first + count - 1 of the endless stream."""
        ...

    def read(self, first: int, count: int) -> Callable[[], TokenSequences]:
        """A function that makes them, in any thread; what must be read in order is read here."""
        ...

    def validation(self) -> TokenSequences:
        """The held-out sequences, always the same."""
        ...


class GenomeSource:
    """Windows of a genome as the tokens of any DNA tokenizer."""

    def __init__(
        self,
        genome: Genome,
        settings: WindowSettings,
        tokenizer: DnaTokenizer,
        seed: int,
        mixture: Mixture = (),
        growth: Growth | None = None,
    ) -> None:
        """`mixture`, `growth`: as in GenomeWindows. Raises SettingsError if nothing can be held out of a genome."""
        self.genome = genome
        self.dna_tokenizer = tokenizer
        self.token_bases = tokenizer.token_bases
        self.windows = GenomeWindows(genome, settings, tokenizer, seed, mixture, growth)
        facts = [fact for fact in (tokenizer.learned, self.windows.regions_key) if fact]
        self.fingerprint = key_of(genome.fingerprint, *facts) if facts else genome.fingerprint
        self._require_validation(settings.validation_windows)

    def _require_validation(self, asked: int) -> None:
        mixture = self.windows.mixture
        for part in mixture:
            if len(part.part_of(self._validation)):
                continue
            why = (
                f"no run of ACGT{part.within} has room for a validation window beside a longest training "
                f"window of {self.windows.max_bases} bases. Lower windows.max_tokens, or give a longer genome."
            )
            if asked < len(mixture):
                each = ", one for each genome" if len(mixture) > 1 else ""
                why = f"windows.validation_windows is {asked}. Set it to at least {len(mixture)}{each}."
            raise SettingsError(f"there is nothing to evaluate on: {why}")

    @property
    def _validation(self) -> np.ndarray:
        """(W, 2) int64 the validation windows."""
        return windows_at(self.windows.validation_starts, self.windows.validation_bases)

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The same tokenizer as transformers sees it."""
        assert isinstance(self.dna_tokenizer, PreTrainedTokenizerBase)
        return self.dna_tokenizer

    @property
    def description(self) -> str:
        """How much there is to train on, and what is held out, in words."""
        facts = WindowFacts.of(self.genome, self.windows)
        held_out = f"{counted(facts.validation_windows, 'window')} of {facts.validation_bases} bases held out"
        mixed = "".join(
            f"; {part.name}: {part.fraction:.1%} of the windows, from {part.training:,} bases, "
            f"{part.validation_windows:,} held out"
            for part in facts.genomes
        )
        return f"{facts.training:,} bases to train on, {held_out}{mixed}"

    @property
    def training_bases(self) -> TrainingBases:
        """Where words are counted."""
        windows = self.windows
        return TrainingBases(self.genome.codes, windows.training, windows.settings.strand, self.genome.fingerprint)

    def train(self, first: int, count: int) -> TokenSequences:
        """Windows number first .. first + count - 1 of the endless stream."""
        drawn, settings = self.windows.train(first, count), self.windows.settings
        where = zip(drawn.starts.tolist(), drawn.lengths.tolist(), drawn.reverse.tolist(), strict=True)
        windows = [read_window(self.genome, *window) for window in where]
        longest = self.windows.longest_of(np.arange(first, first + count)) + 2
        tokens = shortened(self.dna_tokenizer.encode_windows(windows, drawn.weights), longest)
        if settings.repeats != "weight_bases":
            return tokens
        return weigh_repeats(tokens, drawn, self.windows.repeats, self.token_bases, settings.repeat_weight)

    def read(self, first: int, count: int) -> Callable[[], TokenSequences]:
        """Nothing need be read in order."""
        return partial(self.train, first, count)

    @cached_property
    def validation_bases(self) -> ValidationBases:
        """What the validation windows cover."""
        starts, length = self.windows.validation_starts, self.windows.validation_bases
        codes = self.genome.codes[starts[:, None] + np.arange(length)]
        genomes = {
            part.name: slice(*np.searchsorted(starts, [part.start, part.stop]).tolist())
            for part in self.windows.mixture
            if part.name
        }
        is_repeat = soft_masked(RunningCount.of(self.genome.repeats), starts, length)
        return ValidationBases(codes, is_repeat, genomes)

    def validation(self) -> TokenSequences:
        """The validation windows, all of one length."""
        codes = self.validation_bases.codes
        return self.dna_tokenizer.encode_windows(list(codes), np.ones(len(codes)))

    def manifest(self) -> Mapping[str, Any]:
        """Its files, records and bases, and what the windows use of them. Reads the whole genome."""
        return asdict(Manifest.of(self.genome)) | {"windows": asdict(WindowFacts.of(self.genome, self.windows))}


class TextSource:
    """Documents of local shards, cut to length; every epoch is a new permutation of their sequences."""

    training_bases = None
    validation_bases = None

    def __init__(
        self,
        paths: Path | str | Sequence[Path | str],
        tokenizer: PreTrainedTokenizerBase,
        settings: DocumentSettings,
        seed: int,
        cache: Path | None = None,
    ) -> None:
        """`cache` is a folder, by default $GENOMASK_CACHE or ~/.cache/genomask; the tokens are kept there."""
        self.tokenizer = tokenizer
        self.token_bases = token_bases_of(tokenizer, len(tokenizer))
        self.seed = seed
        files = corpus_files(paths)
        self.store = TokenStore.open(files, tokenizer, settings, cache or default_cache())
        self._require_known_words(files[0])  # first: documents of unknown tokens alone are duplicates of one another
        is_held_out = _held_out(self.store.contents, settings.validation_documents, seed)
        self.validation_pieces = np.flatnonzero(is_held_out)
        self.training_pieces, self._bounds = self._groups(np.flatnonzero(~is_held_out), settings)
        if len(self.validation_pieces) == 0:
            raise DataError(
                f"{files[0]}: none of {counted(len(is_held_out), 'sequence')} can be held out for validation without "
                "leaving a duplicate of it, or too little, for training. Give a corpus of at least two different "
                "documents."
            )

    @property
    def fingerprint(self) -> str:
        """Hash of the documents as they are read."""
        return hashlib.blake2b(self.store.contents.tobytes(), digest_size=16).hexdigest()

    @property
    def description(self) -> str:
        """How much there is to train on, and what is held out, in words."""
        return f"{counted(len(self._bounds) - 1, 'sequence')} to train on, {len(self.validation_pieces):,} held out"

    def train(self, first: int, count: int) -> TokenSequences:
        """Sequences number first .. first + count - 1 of the endless stream."""
        size = len(self._bounds) - 1
        epoch, place = np.divmod(np.arange(first, first + count, dtype=np.int64), size)
        keys = hash64(np.full(1, self.seed, dtype=np.int64), Purpose.EPOCH, epoch)
        drawn = permute(place, size, keys)
        bounds = zip(self._bounds[drawn].tolist(), self._bounds[drawn + 1].tolist(), strict=True)
        return self._pack([self.training_pieces[start:stop] for start, stop in bounds])

    def read(self, first: int, count: int) -> Callable[[], TokenSequences]:
        """Nothing need be read in order."""
        return partial(self.train, first, count)

    def validation(self) -> TokenSequences:
        """The sequences of the held-out documents, each by itself."""
        return self._pack([*self.validation_pieces[:, None]])

    def manifest(self) -> None:
        """None."""

    def _require_known_words(self, file: Path) -> None:
        last = len(self.store.contents) - 1
        spread = np.unique(np.linspace(0, last, LOOKED_AT, dtype=np.int64))
        require_known_words(np.concatenate(self.store.read(spread)), self.tokenizer, self.token_bases, str(file))

    def _groups(self, pieces: np.ndarray, settings: DocumentSettings) -> tuple[np.ndarray, np.ndarray]:
        """The pieces in the order of the sequences that they make, and where each sequence begins."""
        if settings.overflow != "pack":
            return pieces, np.arange(len(pieces) + 1)
        groups = best_fit(np.diff(self.store.offsets)[pieces], settings.max_tokens)
        return pieces[np.concatenate(groups)], np.cumsum([0, *map(len, groups)])

    def _pack(self, groups: list[np.ndarray]) -> TokenSequences:
        return pack([joined(self.store.read(pieces)) for pieces in groups], np.ones(len(groups)))


def _held_out(contents: np.ndarray, asked: int, seed: int) -> np.ndarray:
    """(sequences,) bool, those of the documents with the lowest hashes: at most `asked` and a tenth of the sequences.

    Documents are hashed by content, and those across the limit stay in training: duplicates are never separated. If the
    first document alone exceeds the limit, the first that leaves half to training is taken whole; none if none does.
    """
    rank = hash64(np.full(1, seed, dtype=np.int64), Purpose.HELD_OUT, contents)
    count = min(asked, max(1, int(VALIDATION_FRACTION * len(rank))), len(rank) - 1)
    _, of, sizes = np.unique(rank, return_inverse=True, return_counts=True)
    taken = np.cumsum(sizes) <= count
    if not taken.any() and (2 * sizes <= len(rank)).any():
        taken[np.argmax(2 * sizes <= len(rank))] = True
    held_out: np.ndarray = taken[of]
    return held_out
