"""A streamed corpus: shards in order in, packed token sequences out.

In a lane (see genomask.data.lane; a corpus of few shards is one), sequence number i is the i-th document, cut to its
first tokens or, if documents are split or packed, the i-th of the sequences that they make. A document's place is its
shard and its row. Some places are noted in the run's folder: a resumed run, with any number of processes, opens each
shard at that row, and reads none before it. Documents without text have a row but no number.
"""

import hashlib
import itertools
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from transformers import PreTrainedTokenizerBase

from genomask.data.best_fit import best_fit, joined
from genomask.data.corpus_formats import Shard
from genomask.data.lane import Block, Lane, Piece, lanes_of, places
from genomask.data.packing import pack
from genomask.data.settings import DocumentSettings, ReadingSettings
from genomask.data.stream_marks import Mark, Marks
from genomask.data.text import documents
from genomask.data.tokenizers.documents import DocumentTokenizer
from genomask.data.tokenizers.wordpiece import token_bases_of
from genomask.data.unknown import require_known_words
from genomask.errors import DataError, counted
from genomask.machine.threads import in_order
from genomask.terminal.progress import working
from genomask.types import TokenSequences

DOCUMENTS_AT_ONCE = 500
"""Documents that are packed together."""
TRAIN, VALIDATION = "train", "validation"

log = logging.getLogger(__name__)


class StreamedText:
    """Documents of a corpus with the split `train`, and perhaps `validation`; a Source, as TextSource is.

    Without `validation` the first documents of `train` are held out.
    """

    training_bases = None
    validation_bases = None

    def __init__(
        self,
        name: str,
        shards: Mapping[str, Sequence[Shard]],
        tokenizer: PreTrainedTokenizerBase,
        settings: DocumentSettings,
        marks: Path | None = None,
        *,
        sequences_per_step: int = 1,
        workers: int = 1,
    ) -> None:
        """`marks` is the file where places are noted and found again; `workers` threads cut documents that are split.

        Raises DataError if shards cannot be read, or if the vocabulary does not know the texts.
        """
        self.name, self.tokenizer, self.settings = name, tokenizer, settings
        self.token_bases = token_bases_of(tokenizer, len(tokenizer))
        self._cut = DocumentTokenizer(tokenizer, settings.max_tokens)
        self._pool, self._workers = ThreadPoolExecutor(workers, thread_name_prefix="documents"), workers
        self._shards = require_train(name, shards)
        held_out, shard, row = self._held_out(shards.get(VALIDATION))
        self._validation = self._pack(held_out)
        require_known_words(self._validation.input_ids.numpy(), tokenizer, self.token_bases, name)
        self._sequences_per_step = sequences_per_step
        self._lanes = self._dealt(self._shards[shard:], row, Marks(marks))

    @property
    def fingerprint(self) -> str:
        """Hash of the held-out documents and of the order: a stream is identified without reading it to its end."""
        lanes = len(self._lanes)
        known = self._validation.input_ids.numpy().tobytes() + (b"%d lanes" % lanes if lanes > 1 else b"")
        return hashlib.blake2b(known, digest_size=16).hexdigest()

    @property
    def description(self) -> str:
        """What there is to train on, and what is held out, in words."""
        return (
            f"a stream of {self.name} to train on ({counted(len(self._shards), 'shard')}), "
            f"{counted(len(self._validation.lengths), 'sequence')} held out"
        )

    def train(self, first: int, count: int) -> TokenSequences:
        """Sequences number first .. first + count - 1 of the stream; going forward is cheap, going back is not."""
        return self.read(first, count)()

    def read(self, first: int, count: int) -> Callable[[], TokenSequences]:
        """A function that cuts and packs their documents, which are read here."""
        found = places(first, count, len(self._lanes), self._sequences_per_step)
        pieces = [piece for lane, *numbers in found for piece in self._lanes[lane].read(*numbers)]
        return partial(self._pack, pieces)

    def validation(self) -> TokenSequences:
        """The first sequences of the validation split, or of the other if there is none."""
        return self._validation

    def manifest(self) -> None:
        """None."""

    def _held_out(self, shards: Sequence[Shard] | None) -> tuple[list[Piece], int, int]:
        """The pieces to evaluate on, and shard and row where training begins."""
        pieces: list[Piece] = []
        wanted, count, begins = self.settings.validation_documents, 0, (0, 0)
        found = self._texts(shards or self._shards, size=1)
        for shard, row, texts in found:
            pieces += self._pieces_of(texts)
            count += 1
            begins = (0, 0) if shards else (shard, row + 1)
            if len(pieces) >= wanted:
                break
        if not pieces:
            raise DataError(f"{self.name}: the stream has no documents with any text. Give a data set that has some.")
        if not shards and next(found, None) is None:
            raise DataError(
                f"{self.name}: all {counted(count, 'document')} were held out, and none is left to train on; lower "
                f"documents.validation_documents ({wanted}), or give a data set with a split {VALIDATION!r}."
            )
        return pieces[:wanted], *begins

    def _dealt(self, shards: Sequence[Shard], row: int, marks: Marks) -> list[Lane]:
        """The lanes of `shards`; the first shard begins at `row`."""
        count = lanes_of(len(shards), self._sequences_per_step)
        starts = [Mark(lane, 0, 0, 0 if lane else row) for lane in range(count)]
        ahead = -(-self._workers // count)
        return [Lane(x, marks, partial(self._blocks, shards[x.lane :: count], ahead), self.name) for x in starts]

    def _blocks(self, shards: Sequence[Shard], ahead: int, mark: Mark) -> Iterator[Block]:
        """From a mark to the end of the last shard."""
        found = self._texts(shards, DOCUMENTS_AT_ONCE, mark.shard, mark.row)
        if self.settings.overflow == "truncate":
            return found
        return in_order(self._pool, lambda block: (*block[:2], self._pieces_of(block[2])), found, ahead)

    def _texts(
        self, shards: Sequence[Shard], size: int, first: int = 0, row: int = 0
    ) -> Iterator[tuple[int, int, list[str]]]:
        """Documents in order, up to `size` of a shard at a time: shard, row of the first, texts."""
        for at in range(first, len(shards)):
            found = _with_text(shards[at].name, documents(shards[at], self.settings, row if at == first else 0))
            while block := list(itertools.islice(found, size)):
                yield at, block[0][0], [text for _, text in block]

    def _pieces_of(self, texts: list[str]) -> Sequence[Piece]:
        """What becomes of documents: their texts, which are cut later when needed, or all of their parts."""
        if self.settings.overflow == "truncate":
            return texts
        parts = [np.array(ids) for ids in itertools.chain(*self._cut.split(texts))]
        if self.settings.overflow == "split":
            return parts
        groups = best_fit(np.array([*map(len, parts)]), self.settings.max_tokens)
        return [joined([parts[at] for at in group]) for group in groups]

    def _pack(self, pieces: list[Piece]) -> TokenSequences:
        cut = self._cut.truncated([piece for piece in pieces if isinstance(piece, str)])
        ids = [*map(np.array, cut), *(piece for piece in pieces if not isinstance(piece, str))]
        return pack(ids, np.ones(len(ids)))


def _with_text(name: str, found: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Rows and texts with a visible character; a log line counts the others at the end of a shard."""
    n_empty = 0
    for row, text in found:
        if any(letter.isprintable() and letter != " " for letter in text):
            yield row, text
        else:
            n_empty += 1
    if n_empty:
        log.warning("%s: left out: %s", name, counted(n_empty, "empty document"))


def require_train(name: str, shards: Mapping[str, Sequence[Shard]]) -> Sequence[Shard]:
    """The shards to train on. Raises DataError where there are none."""
    if not shards.get(TRAIN):
        found = ", ".join(shards) or "none"
        raise DataError(f"{name}: no split {TRAIN!r} to train on, found: {found}. Give another data set, or shards.")
    return shards[TRAIN]


def first_documents(name: str, shards: Sequence[Shard], count: int, settings: ReadingSettings) -> list[str]:
    """The first `count` texts of a stream."""
    found: Iterable[tuple[int, str]] = itertools.chain.from_iterable(documents(shard, settings) for shard in shards)
    texts = []
    with working(f"reading the first documents of {name}", count) as work:
        for _, text in itertools.islice(found, count):
            texts.append(text)
            work.advance(1)
    return texts
