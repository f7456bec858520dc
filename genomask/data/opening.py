"""A run's inputs, and the recipe tables for reading them, in; the source that it trains on out."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from genomask.data.genome import Genome
from genomask.data.growth import Growth
from genomask.data.hub_corpus import HubCorpus
from genomask.data.mixture import mixture_of
from genomask.data.settings import DnaTokenSettings, DocumentSettings, WordPieceSettings
from genomask.data.sources import GenomeSource, TextSource
from genomask.data.stream_marks import MARKS
from genomask.data.streamed import StreamedText, first_documents, require_train
from genomask.data.text import corpus_files
from genomask.data.tokenizers.saved import dna_tokenizer
from genomask.data.tokenizers.vocabularies import bert_vocabulary, vocabulary_of_files, vocabulary_of_stream
from genomask.data.tokenizers.wordpiece import VOCABULARY, wordpiece_tokenizer
from genomask.data.windows import WindowSettings
from genomask.errors import SettingsError

STREAM_SAMPLE = 20_000
"""Documents of a stream from which word pieces are learned if BERT's cannot be had: 45 MB of text in C4."""


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The raw input of a run, written beside its recipe: either genome files or a corpus."""

    genome: tuple[str, ...] = ()
    ambiguous: str = "error"
    corpus: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()
    """One for each genome if several are mixed; none if all files are one genome."""

    def __post_init__(self) -> None:
        assert not self.weights or len(self.weights) == len(self.genome)

    @property
    def words(self) -> tuple[str, ...]:
        """Files and corpora by their names alone, with their weights, for messages."""
        names = [Path(name).name for name in self.genome or self.corpus]
        return tuple(map("{}:{:g}".format, names, self.weights)) if self.weights else tuple(names)

    def absolute(self) -> "Inputs":
        """The same with absolute paths, so that files are found from any folder; streamed corpora stay as they are."""
        corpus = tuple(name if HubCorpus.named(name) else os.path.abspath(name) for name in self.corpus)
        return replace(self, genome=tuple(map(os.path.abspath, self.genome)), corpus=corpus)


def open_genome(
    inputs: Inputs, tokens: DnaTokenSettings, windows: WindowSettings, seed: int, growth: Growth | None = None
) -> GenomeSource:
    """Windows of the genome files; the windows may grow over the run."""
    genome = Genome.open(inputs.genome, ambiguous=inputs.ambiguous)
    mixture = mixture_of(genome, [Path(path) for path in inputs.genome], inputs.weights)
    return GenomeSource(genome, windows, dna_tokenizer(tokens), seed, mixture, growth)


def open_text(
    inputs: Inputs,
    tokens: WordPieceSettings,
    documents: DocumentSettings,
    seed: int,
    out: Path,
    *,
    sequences_per_step: int = 1,
    workers: int = 1,
) -> TextSource | StreamedText:
    """Documents of the corpus; a vocabulary that the run in the folder `out` has kept is used again.

    The last two are for streams: the sequences that lanes divide, and the threads that cut documents that are split.
    """
    kept = out / VOCABULARY
    vocabulary = kept if kept.exists() else tokens.vocabulary
    hub = _streamed(inputs.corpus)
    if hub is None:
        files = corpus_files(inputs.corpus)
        vocabulary = vocabulary or vocabulary_of_files(files, tokens.vocab_size, documents)
        return TextSource(files, wordpiece_tokenizer(vocabulary), documents, seed)
    shards = hub.shards()
    if not vocabulary:
        vocabulary = bert_vocabulary() or vocabulary_of_stream(
            first_documents(hub.name, require_train(hub.name, shards), STREAM_SAMPLE, documents), tokens.vocab_size
        )
    return StreamedText(
        hub.name,
        shards,
        wordpiece_tokenizer(vocabulary),
        documents,
        out / MARKS,
        sequences_per_step=sequences_per_step,
        workers=workers,
    )


def _streamed(corpus: tuple[str, ...]) -> HubCorpus | None:
    """The data set of the hub, if the corpus is one."""
    streamed = [hub for name in corpus if (hub := HubCorpus.named(name))]
    if streamed and len(corpus) > 1:
        raise SettingsError(f"--corpus {' '.join(corpus)}: give either one data set of the hub or files.")
    return streamed[0] if streamed else None
