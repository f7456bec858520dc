"""A corpus that is read as it comes: shards in order in, packed token sequences out.

Sequence number i is the i-th document (after the last comes the first again), cut to its first tokens; or, where
documents are split or packed, the i-th of the sequences that they make. A document's place is its shard and its row:
about every MARK_EVERY sequences number and place are noted, in the run's folder, so that a run that goes on, with any
number of processes, opens that shard at that row, and reads none before it.
"""

import hashlib
import itertools
import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from transformers import PreTrainedTokenizerBase

from genomask.data.best_fit import best_fit, joined
from genomask.data.corpus_formats import Shard
from genomask.data.packing import pack
from genomask.data.settings import DocumentSettings, ReadingSettings
from genomask.data.text import documents
from genomask.data.tokenizers.wordpiece import split_documents, token_bases_of, tokenize_documents
from genomask.errors import DataError
from genomask.terminal.progress import working
from genomask.types import TokenSequences

MARKS = "stream-marks.jsonl"
"""In the folder of a run."""
MARK_EVERY = 10_000
DOCUMENTS_AT_ONCE = 500
"""Documents that are packed together."""
TRAIN, VALIDATION = "train", "validation"

Piece = str | np.ndarray
"""A text still to be cut to one sequence, or the ids of a sequence."""

log = logging.getLogger(__name__)


class Mark(NamedTuple):
    """A place in the stream."""

    number: int = 0
    """Of the sequence that begins there."""
    shard: int = 0
    row: int = 0


class StreamedText:
    """Documents of a corpus with the split `train`, and perhaps `validation`; a Source, as TextSource is.

    Without `validation` the first documents of `train` are held out.
    """

    reads_forward = True
    training_bases = None
    validation_bases = None

    def __init__(
        self,
        name: str,
        shards: Mapping[str, Sequence[Shard]],
        tokenizer: PreTrainedTokenizerBase,
        settings: DocumentSettings,
        marks: Path | None = None,
    ) -> None:
        """`marks` is the file that they are kept in, and found again. Raises DataError where shards cannot be read."""
        self.name, self.tokenizer, self.settings = name, tokenizer, settings
        self.token_bases = token_bases_of(tokenizer, len(tokenizer))
        self._shards = require_train(name, shards)
        held_out, after = self._held_out(shards.get(VALIDATION))
        self._validation = self._pack(held_out)
        self._marks_file, self._marks = marks, [after, *read_marks(marks)]
        self._pieces, self._next = self._stream(after), 0

    @property
    def fingerprint(self) -> str:
        """Hash of the held-out documents: a stream is not read to its end to be known from another."""
        return hashlib.blake2b(self._validation.input_ids.numpy().tobytes(), digest_size=16).hexdigest()

    @property
    def description(self) -> str:
        """What there is to train on, and what is held out, for a person."""
        return (
            f"a stream of {self.name} to train on ({len(self._shards):,} shards), "
            f"{len(self._validation.lengths):,} sequences held out"
        )

    def train(self, first: int, count: int) -> TokenSequences:
        """Sequences number first .. first + count - 1 of the stream; going forward is cheap, going back is not."""
        mark = max((mark for mark in self._marks if mark.number <= first), key=lambda mark: mark.number)
        if not mark.number <= self._next <= first:
            self._pieces, self._next = self._stream(mark), mark.number
        pieces = list(itertools.islice(self._pieces, first - self._next, first - self._next + count))
        self._next = first + count
        return self._pack(pieces)

    def validation(self) -> TokenSequences:
        """The first sequences of the validation split, or of the other where there is none."""
        return self._validation

    def manifest(self) -> None:
        """None."""

    def _held_out(self, shards: Sequence[Shard] | None) -> tuple[list[Piece], Mark]:
        """The pieces to evaluate on, and where training begins."""
        pieces: list[Piece] = []
        after = Mark()
        for shard, row, texts in self._blocks(shards or self._shards, Mark(), size=1):
            pieces += self._pieces_of(texts)
            after = Mark(0, shard, row + 1)
            if len(pieces) >= self.settings.validation_documents:
                break
        if not pieces:
            raise DataError(f"{self.name}: the stream has no documents. Give a data set that has some.")
        return pieces[: self.settings.validation_documents], Mark() if shards else after

    def _stream(self, mark: Mark) -> Iterator[Piece]:
        """The pieces from a mark on, without end."""
        number, first = mark.number, self._marks[0]
        while True:
            before = number
            for shard, row, texts in self._blocks(self._shards, mark, DOCUMENTS_AT_ONCE):
                if number >= self._marks[-1].number + MARK_EVERY:
                    self._note(Mark(number, shard, row))
                pieces = self._pieces_of(texts)
                number += len(pieces)
                yield from pieces
            if number == before and mark == first._replace(number=number):
                raise DataError(f"{self.name}: the stream has no documents to train on. Give a data set that has some.")
            mark = first._replace(number=number)

    def _blocks(self, shards: Sequence[Shard], mark: Mark, size: int) -> Iterator[tuple[int, int, list[str]]]:
        """Documents in order, up to `size` of a shard at a time: shard, row of the first, texts."""
        for at in range(mark.shard, len(shards)):
            found = documents(shards[at], self.settings, mark.row if at == mark.shard else 0)
            while block := list(itertools.islice(found, size)):
                yield at, block[0][0], [text for _, text in block]

    def _pieces_of(self, texts: list[str]) -> Sequence[Piece]:
        """What of documents becomes sequences: the texts, cut later, by whoever needs them, or all of their parts."""
        longest = self.settings.max_tokens
        if self.settings.overflow == "truncate":
            return texts
        parts = [np.array(ids) for ids in itertools.chain(*split_documents(self.tokenizer, texts, longest))]
        if self.settings.overflow == "split":
            return parts
        return [joined([parts[at] for at in group]) for group in best_fit(np.array([*map(len, parts)]), longest)]

    def _pack(self, pieces: list[Piece]) -> TokenSequences:
        texts = [piece for piece in pieces if isinstance(piece, str)]
        cut = tokenize_documents(self.tokenizer, texts, self.settings.max_tokens) if texts else []
        ids = [*map(np.array, cut), *(piece for piece in pieces if not isinstance(piece, str))]
        return pack(ids, np.ones(len(ids)))

    def _note(self, mark: Mark) -> None:
        """Keep a mark; several processes that read the same stream note the same, each a line of its own."""
        self._marks.append(mark)
        if self._marks_file is None or not self._marks_file.parent.is_dir():
            return
        try:
            with self._marks_file.open("a", encoding="utf-8") as file:
                file.write(f"{json.dumps(mark)}\n")
        except OSError as error:
            log.warning("no mark written, a run that goes on will read from further back: %s", error)


def read_marks(file: Path | None) -> list[Mark]:
    """Those noted in a file, in order; a line that is damaged is none."""
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines() if file else []
    except FileNotFoundError:
        return []
    return sorted({mark for line in lines if (mark := _mark(line))})


def _mark(line: str) -> Mark | None:
    try:
        numbers = json.loads(line)
    except ValueError:
        return None
    whole = isinstance(numbers, list) and len(numbers) == 3 and all(type(n) is int and n >= 0 for n in numbers)
    return Mark(*numbers) if whole else None


def require_train(name: str, shards: Mapping[str, Sequence[Shard]]) -> Sequence[Shard]:
    """The shards to train on. Raises DataError where there are none."""
    if not shards.get(TRAIN):
        found = ", ".join(shards) or "none"
        raise DataError(f"{name}: no split {TRAIN!r} to train on, found: {found}. Give another data set, or shards.")
    return shards[TRAIN]


def first_documents(name: str, shards: Sequence[Shard], count: int, settings: ReadingSettings) -> list[str]:
    """The texts with which a stream begins."""
    found: Iterable[tuple[int, str]] = itertools.chain.from_iterable(documents(shard, settings) for shard in shards)
    texts = []
    with working(f"reading the first documents of {name}", count) as work:
        for _, text in itertools.islice(found, count):
            texts.append(text)
            work.advance(1)
    return texts
