"""The word pieces of a text run that is given none: learned from local shards, or BERT's for a stream."""

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from huggingface_hub import hf_hub_download
from transformers import PreTrainedTokenizerBase

from genomask.data.settings import ReadingSettings
from genomask.data.text import USUAL, read_documents
from genomask.data.tokenizers.wordpiece import VOCABULARY, train_wordpiece, wordpiece_tokenizer, write_vocabulary
from genomask.errors import DataError, counted
from genomask.files.cache import cache_errors, default_cache, files_key, key_of, sealed_folder
from genomask.terminal.progress import Work, working

BERT = "bert-base-uncased"
"""The repository on the hub; only one file of it is read, a text file."""

PROBE = "The café's 12 UNUSUAL words, re-read: naïve (of course)!"
"""Capitals, accents, digits and signs, which tokenizers of one vocabulary may still split or spell differently."""

log = logging.getLogger(__name__)


def vocabulary_of_files(files: Sequence[Path], vocab_size: int, settings: ReadingSettings = USUAL) -> Path:
    """The vocab.txt learned from a corpus: from the cache if it is there, else learned now."""
    key = files_key(files, vocab_size, settings.column, settings.bad)
    return _learned(key, files, lambda: read_documents(files, settings), vocab_size, "the corpus")


def vocabulary_of_stream(documents: list[str], vocab_size: int) -> Path:
    """The same for the first documents of a stream; the cache identifies them by their content."""
    content = hashlib.blake2b("\0".join(documents).encode(), digest_size=16).hexdigest()
    what = f"the stream's first {counted(len(documents), 'document')}"
    return _learned(key_of(content, vocab_size), (), lambda: documents, vocab_size, what)


def bert_vocabulary() -> Path | None:
    """bert-base-uncased's vocab.txt, from the hub or the hub's own cache; None, with a log line, if neither has it."""
    try:
        path = Path(hf_hub_download(BERT, "vocab.txt"))
    except OSError as error:  # all that the hub's client raises for a bad answer, or for none
        log.warning(
            "%s's word pieces cannot be downloaded from the hub (%s)", BERT, str(error).strip().partition("\n")[0]
        )
        return None
    log.info("the word pieces are those of %s, from the hub", BERT)
    return path


def vocabulary_of_tokenizer(tokenizer: PreTrainedTokenizerBase) -> Path | None:
    """The vocab.txt, in the cache, of a tokenizer that reads text as bert-base-uncased's does; None for others."""
    vocabulary = tokenizer.get_vocab()
    if sorted(vocabulary.values()) != list(range(len(vocabulary))):
        return None
    words = "\n".join(sorted(vocabulary, key=vocabulary.__getitem__))
    root = default_cache() / "vocabularies"
    key = key_of(hashlib.blake2b(words.encode(), digest_size=16).hexdigest())
    with cache_errors(root):
        sealed_folder(root / key, (), lambda folder: write_vocabulary(vocabulary, folder / VOCABULARY))
    try:
        ours = wordpiece_tokenizer(root / key / VOCABULARY)
    except DataError:  # for example, no [MASK]
        return None
    return root / key / VOCABULARY if ours(PROBE)["input_ids"] == tokenizer(PROBE)["input_ids"] else None


def _learned(
    key: str, sources: Sequence[Path], documents: Callable[[], Iterable[str]], vocab_size: int, what: str
) -> Path:
    def learn(folder: Path) -> None:
        log.info("learning up to %s word pieces from %s", f"{vocab_size:,}", what)
        with working("learning word pieces", unit="document") as work:
            train_wordpiece(_counted(documents(), work), vocab_size, folder / VOCABULARY)

    root = default_cache() / "vocabularies"
    with cache_errors(root):
        sealed_folder(root / key, sources, learn)
    return root / key / VOCABULARY


def _counted(documents: Iterable[str], work: Work) -> Iterator[str]:
    for document in documents:
        work.advance(1)
        yield document
