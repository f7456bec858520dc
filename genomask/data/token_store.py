"""A text corpus in, its tokens in a memory-mapped file out; tokenised once, whole or not at all.

A store is a folder: ids.bin (uint16 or int32, documents end to end), offsets.npy and contents.npy, sealed (see
genomask.files.cache). It is built under a temporary name and renamed when complete, so a killed run leaves no part.
"""

import hashlib
import itertools
import logging
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from transformers import PreTrainedTokenizerBase

from genomask.data.settings import DocumentSettings
from genomask.data.text import read_documents
from genomask.data.tokenizers.documents import DocumentTokenizer
from genomask.data.tokenizers.wordpiece import tokenizer_content
from genomask.errors import DataError, counted
from genomask.files.cache import cache_errors, files_key, sealed_folder
from genomask.terminal.progress import working

FORMAT = 2
"""Part of the key; raise it when the meaning of the files changes."""
DOCUMENTS_AT_ONCE = 1000

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class TokenStore:
    """The documents of a corpus as token ids, [CLS] and [SEP] included."""

    ids: np.ndarray
    """(T,) uint16 or int32, memory-mapped."""
    offsets: np.ndarray
    """(sequences + 1,) int64, where each sequence begins in `ids`, and the end of the last."""
    contents: np.ndarray
    """(sequences,) int64, a hash of the ids of each sequence's document: equal documents have equal hashes."""

    @staticmethod
    def open(
        files: Sequence[Path], tokenizer: PreTrainedTokenizerBase, settings: DocumentSettings, cache: Path
    ) -> "TokenStore":
        """The store of these files, tokenizer and settings, from the cache folder, or built there first.

        With settings.overflow = "truncate", the first max_tokens of a document are kept; otherwise all, as several
        sequences.
        """
        kept = settings.max_tokens, settings.overflow == "truncate", settings.column, settings.bad
        key = files_key(files, FORMAT, tokenizer_content(tokenizer), *kept)
        root = cache / "text"
        folder = root / f"{files[0].name.split('.')[0]}-{key}"
        with cache_errors(root):
            sealed_folder(folder, files, lambda building: _write(building, files, tokenizer, settings))
            return _load(folder, _id_type(tokenizer))

    def read(self, sequences: np.ndarray) -> list[np.ndarray]:
        """The ids of each sequence asked for."""
        bounds = zip(self.offsets[sequences].tolist(), self.offsets[sequences + 1].tolist(), strict=True)
        return [self.ids[start:stop] for start, stop in bounds]


def _id_type(tokenizer: PreTrainedTokenizerBase) -> np.dtype:
    return np.dtype(np.uint16 if len(tokenizer) <= 1 << 16 else np.int32)


def _load(folder: Path, dtype: np.dtype) -> TokenStore:
    """The store in a sealed folder."""
    ids = np.memmap(folder / "ids.bin", dtype=dtype, mode="r")
    offsets, contents = (np.load(folder / f"{name}.npy", allow_pickle=False) for name in ("offsets", "contents"))
    assert (ids.size, len(contents)) == (offsets[-1], len(offsets) - 1), f"no whole token store: {folder}"
    return TokenStore(ids, offsets, contents)


def _write(folder: Path, files: Sequence[Path], tokenizer: PreTrainedTokenizerBase, settings: DocumentSettings) -> None:
    log.info("tokenising %s into the cache at %s", counted(len(files), "corpus file"), folder.parent)
    lengths, contents, n_empty = array("i", [0]), array("q"), 0  # arrays: there may be millions of sequences
    cut = DocumentTokenizer(tokenizer, settings.max_tokens)
    with working("tokenising", unit="document") as work, (folder / "ids.bin").open("wb") as out:
        for texts in _batches(read_documents(files, settings)):
            work.advance(len(texts))
            for pieces in _sequences(cut, texts, settings):
                if len(pieces[0]) <= 2:  # [CLS] [SEP]
                    n_empty += 1
                    continue
                data = np.concatenate(pieces).astype(_id_type(tokenizer)).tobytes()
                out.write(data)
                lengths.extend(map(len, pieces))
                content = int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little", signed=True)
                contents.extend(itertools.repeat(content, len(pieces)))
    if not contents:
        raise DataError(f"{files[0]}: the corpus has no document with any text. Give files with documents in them.")
    if n_empty:
        log.warning("left out: %s; used: %s", counted(n_empty, "empty document"), counted(len(contents), "sequence"))
    np.save(folder / "offsets.npy", np.cumsum(lengths, dtype=np.int64))
    np.save(folder / "contents.npy", np.array(contents, dtype=np.int64))


def _sequences(cut: DocumentTokenizer, texts: list[str], settings: DocumentSettings) -> list[list[list[int]]]:
    """The sequences of each text."""
    return [[ids] for ids in cut.truncated(texts)] if settings.overflow == "truncate" else cut.split(texts)


def _batches(texts: Iterable[str]) -> Iterable[list[str]]:
    texts = iter(texts)
    while batch := list(itertools.islice(texts, DOCUMENTS_AT_ONCE)):
        yield batch
