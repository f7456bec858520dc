"""Which 32-mers do two sets of sequences share, on either strand? Near-duplicates share some; chance gives none.

A 32-mer and its reverse complement are one word: the smaller of the two as numbers of two bits per base. A table holds
the words of the smaller set; the larger set, perhaps a genome, streams past it. Memory is that of WORDS_AT_ONCE words:
where the smaller set has more, they take turns.

Letters: B bases, R sequences, P pieces.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from genomask.data.bases import base_codes
from genomask.masking.jit import Array, Int, jit, mix
from genomask.terminal.progress import working

WORD = 32
"""Bases of a word: as many as 64 bits hold."""
WORDS_AT_ONCE = 1 << 25
"""Their table takes 1 GiB at most."""
PIECE_BASES = 1 << 22
NONE = np.uint64(2**64 - 1)
"""Not a word: the reverse complement of 32 T is 32 A, the smaller number."""


class Bases(NamedTuple):
    """Sequences of base codes in one array, which may be memory-mapped."""

    codes: np.ndarray  # (B,) uint8, A0 C1 G2 T3, else 4
    intervals: np.ndarray  # (R, 2) int64, [start, stop) of each sequence

    @property
    def size(self) -> int:
        """Bases in all sequences."""
        return int((self.intervals[:, 1] - self.intervals[:, 0]).sum())


class SharedWords(NamedTuple):
    """Counts for each of R sequences."""

    shared: np.ndarray  # (R,) int64, places where a word begins that the other set has too
    words: np.ndarray  # (R,) int64, places where any word of A C G T begins


def bases_of(sequences: Sequence[str]) -> Bases:
    """The codes of the sequences, end to end."""
    ends = np.cumsum([0, *map(len, sequences)], dtype=np.int64)
    return Bases(base_codes("".join(sequences)), np.stack([ends[:-1], ends[1:]], axis=1))


def shared_words(of: Bases, within: Bases) -> SharedWords:
    """How many words of each sequence of one set occur anywhere in the other, on either strand."""
    small = min(of, within, key=lambda bases: bases.size)
    turns = max(1, -(-small.size // WORDS_AT_ONCE))
    places = 2 << min(small.size, WORDS_AT_ONCE).bit_length()
    shared, words = np.zeros((2, len(of.intervals)), dtype=np.int64)
    read = small.size + of.size + (within.size if small is of else 0)
    with working("looking for shared 32-mers", turns * read, unit="base") as work:
        for turn in range(turns):
            table = np.full(places, NONE)
            is_shared = np.full(places, small is not of)
            for pieces, n in _pieces(small):
                _keep(small.codes, pieces, table, turn, turns)
                work.advance(n)
            if small is of:
                for pieces, n in _pieces(within):
                    _mark(within.codes, pieces, table, is_shared)
                    work.advance(n)
            for pieces, n in _pieces(of):
                _count(of.codes, pieces, table, is_shared, turn, turns, shared, words)
                work.advance(n)
    return SharedWords(shared, words)


def _pieces(bases: Bases) -> Iterator[tuple[np.ndarray, int]]:
    """(P, 3) int64 start, stop and sequence of pieces that hold every word once, and how many bases they have."""
    group: list[tuple[int, int, int]] = []
    n = 0
    for row, (start, stop) in enumerate(bases.intervals.tolist()):
        for at in range(start, stop - WORD + 1, PIECE_BASES):
            end = min(at + PIECE_BASES + WORD - 1, stop)
            group.append((at, end, row))
            n += end - at
            if n >= PIECE_BASES:
                yield np.array(group, dtype=np.int64), n
                group, n = [], 0
    if group:
        yield np.array(group, dtype=np.int64), n


@jit
def _word(codes: Array, at: Int, forward: np.uint64, backward: np.uint64) -> tuple[np.uint64, np.uint64]:
    """The last 32 bases on both strands, moved on by one base."""
    code = np.uint64(codes[at])
    ahead = (forward << np.uint64(2)) | code
    return ahead, (backward >> np.uint64(2)) | ((np.uint64(3) - code) << np.uint64(62))


@jit
def _place(table: Array, word: np.uint64) -> np.int64:
    """Where the word is in the table, or would be."""
    last = np.uint64(table.size - 1)
    at = mix(word) & last
    while table[at] != word and table[at] != NONE:
        at = (at + np.uint64(1)) & last
    return np.int64(at)


@jit
def _has_turn(word: np.uint64, turn: Int, turns: Int) -> bool:
    """Whether the word is handled in this turn, by hash bits that choose no place in the table."""
    return turns == 1 or np.int64(mix(word) >> np.uint64(40)) % turns == turn


@jit
def _keep(codes: Array, pieces: Array, table: Array, turn: Int, turns: Int) -> None:
    for start, stop, _ in pieces:
        forward, backward, length = np.uint64(0), np.uint64(0), 0
        for at in range(start, stop):
            length = length + 1 if codes[at] < 4 else 0
            forward, backward = _word(codes, at, forward, backward)
            word = min(forward, backward)
            if length >= WORD and _has_turn(word, turn, turns):
                table[_place(table, word)] = word


@jit
def _mark(codes: Array, pieces: Array, table: Array, is_shared: Array) -> None:
    for start, stop, _ in pieces:
        forward, backward, length = np.uint64(0), np.uint64(0), 0
        for at in range(start, stop):
            length = length + 1 if codes[at] < 4 else 0
            forward, backward = _word(codes, at, forward, backward)
            if length >= WORD:
                word = min(forward, backward)
                place = _place(table, word)
                if table[place] == word:
                    is_shared[place] = True


@jit
def _count(
    codes: Array, pieces: Array, table: Array, is_shared: Array, turn: Int, turns: Int, shared: Array, words: Array
) -> None:
    for start, stop, row in pieces:
        forward, backward, length = np.uint64(0), np.uint64(0), 0
        for at in range(start, stop):
            length = length + 1 if codes[at] < 4 else 0
            forward, backward = _word(codes, at, forward, backward)
            word = min(forward, backward)
            if length >= WORD and _has_turn(word, turn, turns):
                words[row] += 1
                place = _place(table, word)
                shared[row] += table[place] == word and is_shared[place]
