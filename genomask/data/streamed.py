"""C4 straight from the Hugging Face hub: documents in stream order in, packed token sequences out.

Sequence number i is the i-th document of the stream (after the last comes the first again), cut to its first tokens;
or, where documents are split, the i-th of the sequences that they make.
The stream can only be read forward, so about every MARK_EVERY sequences its state is noted in the cache folder; a
resumed run starts from the nearest mark instead of from the first document.
"""

import hashlib
import itertools
import json
import logging
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import httpx
from transformers import PreTrainedTokenizerBase

from genomask.data.packing import pack
from genomask.data.settings import DocumentSettings
from genomask.data.tokenizers.wordpiece import split_documents, token_bases_of, tokenize_documents, tokenizer_content
from genomask.errors import DataError
from genomask.files.atomic import atomic_write
from genomask.files.cache import cache_errors, default_cache, key_of
from genomask.terminal.progress import working
from genomask.types import TokenSequences

if TYPE_CHECKING:
    from datasets import IterableDataset

C4 = {"path": "allenai/c4", "name": "en"}
MARK_EVERY = 200_000
HUB_SECONDS = 10.0
"""How long the hub may take to answer at all."""

Piece = str | list[int]
"""A text still to be cut to one sequence, or the ids of a sequence."""

log = logging.getLogger(__name__)


class StreamedText:
    """Documents of a streamed dataset with the splits `train` and `validation`; a Source, as TextSource is."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        settings: DocumentSettings,
        cache: Path | None = None,
        origin: Mapping[str, Any] = C4,
    ) -> None:
        """`origin` is what datasets.load_dataset takes; raises DataError where the hub cannot be reached."""
        self.tokenizer = tokenizer
        self.token_bases = token_bases_of(tokenizer, len(tokenizer))
        self.settings = settings
        self.origin = dict(origin)
        # where documents are split, a sequence's number hangs on all that decides how many they make
        numbering = [tokenizer_content(tokenizer), settings.max_tokens] if settings.overflow == "split" else []
        self._marks_file = (cache or default_cache()) / "streams" / f"{key_of(self.origin, *numbering)}.json"
        self._pieces: Iterator[Piece] = iter(())
        self._position = -1  # number of the piece that comes next; -1 before the stream is open
        with hub_errors(origin):
            pieces = (piece for row in self._open("validation") for piece in self._pieces_of(row))
            self._validation = self._pack(list(itertools.islice(pieces, settings.validation_documents)))

    @property
    def fingerprint(self) -> str:
        """Hash of the held-out documents: a stream is not read to its end to be known from another."""
        return hashlib.blake2b(self._validation.input_ids.numpy().tobytes(), digest_size=16).hexdigest()

    @property
    def description(self) -> str:
        """What there is to train on, and what is held out, for a person."""
        return f"a stream of {self.origin['path']} to train on, {len(self._validation.lengths):,} sequences held out"

    def train(self, first: int, count: int) -> TokenSequences:
        """Sequences number first .. first + count - 1 of the stream; going forward is cheap, going back is not."""
        if self._position < 0 or not self._position <= first < self._position + MARK_EVERY:
            self._pieces, self._position = self._endless(first), first
        with hub_errors(self.origin):
            pieces = list(itertools.islice(self._pieces, first - self._position, first - self._position + count))
        self._position = first + count
        return self._pack(pieces)

    def validation(self) -> TokenSequences:
        """The first sequences of the validation split."""
        return self._validation

    def _pieces_of(self, row: dict[str, Any]) -> list[Piece]:
        """What of a document becomes sequences: its text, cut later with many others, or all parts of a split one."""
        text = text_of(row)
        if self.settings.overflow == "truncate":
            return [text]
        return [*split_documents(self.tokenizer, [text], self.settings.max_tokens)[0]]

    def _pack(self, pieces: list[Piece]) -> TokenSequences:
        texts = [piece for piece in pieces if isinstance(piece, str)]
        ids = tokenize_documents(self.tokenizer, texts, self.settings.max_tokens) if texts else pieces
        return pack([np.array(x, dtype=np.int64) for x in ids], np.ones(len(ids)))

    def _open(self, split: str) -> "IterableDataset":
        return _opened(self.origin, split)

    def _endless(self, start: int) -> Iterator[Piece]:
        while True:
            size = yield from self._one_pass(start)
            if size == 0:
                raise DataError(f"{self.origin['path']}: the stream has no documents. Give a dataset that has some.")
            start = start % size if start >= size else 0

    def _one_pass(self, start: int) -> Generator[Piece, None, int]:
        """The pieces from number `start` to the last; returns how many there are in all."""
        dataset = self._open("train")
        marks = self.read_marks()
        number = max((n for n in marks if n <= start), default=0)
        if number:
            dataset.load_state_dict(marks[number])
        if start - number > MARK_EVERY // 10:
            log.info("reading forward from sequence %s to %s of the stream", f"{number:,}", f"{start:,}")
        for row in dataset:
            pieces = self._pieces_of(row)
            before, number = number, number + len(pieces)
            if number // MARK_EVERY > before // MARK_EVERY and number not in marks:
                marks[number] = dataset.state_dict()
                self._write_marks(marks)
            yield from pieces[max(0, start - before) :]
        return number

    def read_marks(self) -> dict[int, dict[str, Any]]:
        """The stream's state before the piece of each number at which one was kept."""
        with cache_errors(self._marks_file.parent):
            try:
                return {int(n): state for n, state in json.loads(self._marks_file.read_text()).items()}
            except (FileNotFoundError, ValueError):  # not there, or damaged
                return {}

    def _write_marks(self, marks: dict[int, dict[str, Any]]) -> None:
        try:
            with cache_errors(self._marks_file.parent):
                atomic_write(self._marks_file, json.dumps(marks))
        except DataError as error:
            log.warning("no mark written, a resumed run will read from further back: %s", error)


def require_hub(origin: Mapping[str, Any] = C4) -> None:
    """Raises DataError unless the hub answers within seconds: its own client would go on asking for minutes."""
    with hub_errors(origin):
        try:
            HfApi().dataset_info(origin["path"], timeout=HUB_SECONDS)
        except HfHubHTTPError:  # an answer; what it means is found out where the files are asked for
            return


def first_documents(count: int, origin: Mapping[str, Any] = C4) -> list[str]:
    """The texts with which the stream's training split begins."""
    with hub_errors(origin), working("reading the stream's first documents", count) as work:
        texts = []
        for row in itertools.islice(_opened(origin, "train"), count):
            texts.append(text_of(row))
            work.advance(1)
    return texts


def _opened(origin: Mapping[str, Any], split: str) -> "IterableDataset":
    from datasets import load_dataset  # only for this: training on a genome needs no datasets

    return load_dataset(**origin, split=split, streaming=True)


@contextmanager
def hub_errors(origin: Mapping[str, Any]) -> Iterator[None]:
    """What the hub, or the way to it, does wrong as a sentence."""
    try:
        yield
    except (OSError, httpx.HTTPError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise DataError(
            f"{origin['path']}: the stream cannot be read ({reason}). Check the connection to {HfApi().endpoint} (and "
            "HF_ENDPOINT and HF_HUB_OFFLINE), or download shards and give their folder as the corpus."
        ) from error


def text_of(row: dict[str, Any]) -> str:
    """The text of a document; DataError where it has none."""
    if "text" not in row:
        raise DataError(
            f"the stream's documents have no 'text', only: {', '.join(row)}. Give a dataset in C4's layout."
        )
    text: str = row["text"]
    return text
