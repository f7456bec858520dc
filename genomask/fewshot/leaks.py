"""Test sequences that the model may have seen: in the training pool, or in the genome it was pretrained on.

In: the test's sequences, and the pool's sequences or the codes of a genome. Out: for each test sequence, whether it or
its reverse complement occurs there whole, and whether 32 of its bases in a row do (see shared_words): a near-copy, or
the same sequence with other ends. Case is ignored.

Letters: N test sequences, B bases of a chunk, W bases of a window.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from genomask.data.bases import base_codes, other_strand, reverse_complement
from genomask.errors import counted
from genomask.fewshot.shared_words import WORD, Bases, bases_of, shared_words

CHUNK_BASES = 1 << 22
TABLE_BITS = 20
SHORTEST = 16
"""Fewest bases of a sequence that is looked for in a genome: shorter ones occur by chance."""
NOT_IN_GENOME = f"shorter than {SHORTEST} bases, which any genome holds by chance, or with a letter other than A C G T"
"""Why a sequence is not looked for whole in a genome."""
WORDLESS = f"without {WORD} letters A C G T in a row"
"""Why near-copies of a sequence, which are found by its words, are not looked for."""
FEW_PLACES = 8
"""Up to this many are compared one by one."""

Pattern = tuple[int, int, np.ndarray]
"""Strand (0 as given, 1 reverse complement), number of the test sequence, its bases on that strand."""


class Wanted(NamedTuple):
    """What to look for, on both strands, and the tables made from it once."""

    window: int
    patterns: dict[int, list[Pattern]]  # by the code of their first W bases
    keys: np.ndarray  # (K,) uint64, these codes, sorted
    may_begin: np.ndarray  # (2 ** TABLE_BITS,) bool, rules out most places of a genome


class Leaks(NamedTuple):
    """Which of N test sequences occur elsewhere."""

    exact: np.ndarray  # (N,) bool
    reverse: np.ndarray  # (N,) bool, the reverse complement occurs
    near: np.ndarray  # (N,) bool, 32 bases in a row occur on either strand
    skipped: np.ndarray  # (N,) bool, not looked for whole
    wordless: np.ndarray  # (N,) bool, without 32 letters A C G T in a row

    @property
    def found(self) -> np.ndarray:
        """(N,) bool, exact, reverse or near."""
        any_of_them: np.ndarray = self.exact | self.reverse | self.near
        return any_of_them

    def sentence(self, where: str) -> str:
        """The sentence to print; `where` is, for instance, 'the training pool'."""
        whole, near = int((self.exact | self.reverse).sum()), int(self.near.sum())
        said = (
            f"{whole:,} of {counted(len(self.exact), 'test sequence')} {'is' if whole == 1 else 'are'} in {where} "
            f"({int(self.exact.sum()):,} as they are, {int(self.reverse.sum()):,} as reverse complement); "
            f"{near:,} {'shares' if near == 1 else 'share'} {WORD} bases in a row with it, on either strand."
        )
        if skipped := int(self.skipped.sum()):
            said += f" {skipped:,} {'was' if skipped == 1 else 'were'} not looked for whole: {NOT_IN_GENOME}."
        if wordless := int(self.wordless.sum()):
            said += f" {wordless:,} {'is' if wordless == 1 else 'are'} {WORDLESS}, so near-copies were not looked for."
        return said


def leaks_in_pool(test: list[str], pool: list[str]) -> Leaks:
    """Test sequences that are training sequences, on either strand, or share 32 bases in a row with one."""
    words = shared_words(bases_of(test), bases_of(pool))
    exact, reverse = whole_in_pool(test, pool)
    return Leaks(exact, reverse, words.shared > 0, np.zeros(len(test), dtype=bool), words.words == 0)


def leaks_in_genome(test: list[str], codes: np.ndarray, intervals: np.ndarray) -> Leaks:
    """Test sequences that lie inside one of the intervals [start, stop) of a genome's codes, or have 32 bases there.

    `intervals` are Genome.runs, or those of GenomeWindows.training for what pretraining really saw.
    """
    words = shared_words(bases_of(test), Bases(codes, intervals))
    exact, reverse = whole_in_genome(test, codes, intervals)
    return Leaks(exact, reverse, words.shared > 0, skipped_in_genome(test), words.words == 0)


def whole_in_pool(test: list[str], pool: list[str]) -> np.ndarray:
    """(2, N) bool: is each test sequence in the pool, and is its reverse complement?"""
    known = {sequence.upper() for sequence in pool}
    upper = [sequence.upper() for sequence in test]
    strands = (upper, list(map(reverse_complement, upper)))
    return np.array([[sequence in known for sequence in strand] for strand in strands], dtype=bool)


def whole_in_genome(test: list[str], codes: np.ndarray, intervals: np.ndarray) -> np.ndarray:
    """(2, N) bool: does each sequence of ACGT lie whole inside one of the intervals, and its reverse complement?

    Each sequence's first 32 bases (16 for one shorter than 32) are looked up at every place of the genome, and the
    whole sequence is compared where they are found. Not looked up: sequences shorter than 16 bases, which any genome
    holds by chance, and those with a letter other than A, C, G, T.
    """
    sequences = [base_codes(sequence) for sequence in test]
    plain = np.flatnonzero(~skipped_in_genome(test)).tolist()
    found = np.zeros((2, len(test)), dtype=bool)
    for window, lengths in ((SHORTEST, range(SHORTEST, 32)), (32, range(32, 1 << 62))):
        sought = {at: sequences[at] for at in plain if len(sequences[at]) in lengths}
        if sought:
            wanted = _wanted(sought, window)
            for chunk in _chunks(codes, intervals, window, max(map(len, sought.values()))):
                _search(chunk, wanted, found)
    return found


def skipped_in_genome(test: list[str]) -> np.ndarray:
    """(N,) bool, the sequences that whole_in_genome does not look for."""
    return np.array([len(x) < SHORTEST or bool((base_codes(x) > 3).any()) for x in test], dtype=bool)


def _wanted(sequences: dict[int, np.ndarray], window: int) -> Wanted:
    patterns: dict[int, list[Pattern]] = defaultdict(list)
    for at, forward in sequences.items():
        for strand, bases in enumerate((forward, other_strand(forward))):
            patterns[_code_of(bases[:window])].append((strand, at, bases))
    keys = np.array(sorted(patterns), dtype=np.uint64)
    may_begin = np.zeros(1 << TABLE_BITS, dtype=bool)
    may_begin[_slot(keys)] = True
    return Wanted(window, patterns, keys, may_begin)


def _chunks(codes: np.ndarray, intervals: np.ndarray, window: int, longest: int) -> Iterator[np.ndarray]:
    """Pieces of the intervals that overlap enough not to cut any sequence."""
    for start, stop in intervals.tolist():
        for at in range(start, stop - window + 1, CHUNK_BASES):
            yield np.asarray(codes[at : min(at + CHUNK_BASES + longest - 1, stop)])


def _search(chunk: np.ndarray, wanted: Wanted, found: np.ndarray) -> None:
    """Mark in `found` (strand, sequence) the patterns that occur in the chunk."""
    values = _window_codes(chunk, wanted.window)
    places = np.flatnonzero(wanted.may_begin[_slot(values)])
    nearest = np.searchsorted(wanted.keys, values[places])
    places = places[wanted.keys.take(nearest, mode="clip") == values[places]]
    places = places[np.argsort(values[places], kind="stable")]
    for alike in np.split(places, np.flatnonzero(np.diff(values[places])) + 1) if len(places) else []:
        for strand, at, bases in wanted.patterns[int(values[alike[0]])]:
            if not found[strand, at]:
                found[strand, at] = _occurs(bases, chunk, values, alike, wanted.window)


def _occurs(bases: np.ndarray, chunk: np.ndarray, values: np.ndarray, places: np.ndarray, window: int) -> bool:
    """Is the pattern at one of the places where its first W bases are?"""
    places = places[places + len(bases) <= len(chunk)]
    for step in range(window, len(bases) - window + 1, window):
        if len(places) <= FEW_PLACES:
            break
        # a repeat begins at tens of thousands of places, so windows of all its copies are compared at once
        places = places[values[places + step] == _code_of(bases[step : step + window])]
    return any(np.array_equal(chunk[place : place + len(bases)], bases) for place in places)


def _code_of(bases: np.ndarray) -> int:
    """The number of a single window."""
    return int(_window_codes(bases, len(bases))[0])


def _window_codes(codes: np.ndarray, window: int) -> np.ndarray:
    """(B - W + 1,) uint64: each window of W bases, a power of two up to 32, as one number of two bits per base."""
    values, width = codes.astype(np.uint64), 1
    while width < window:
        values = (values[:-width] << np.uint64(2 * width)) | values[width:]
        width *= 2
    return values


def _slot(values: np.ndarray) -> np.ndarray:
    """Place in the look-up table: the upper bits of a multiplicative hash."""
    return (values * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(64 - TABLE_BITS)
