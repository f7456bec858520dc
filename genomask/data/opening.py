"""What a run is given, and the tables of its recipe that say how to read it, in; the source it trains on out."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from genomask.data.genome import Genome
from genomask.data.settings import DnaTokenSettings, DocumentSettings, WordPieceSettings
from genomask.data.sources import GenomeSource, TextSource
from genomask.data.streamed import StreamedText, first_documents, require_hub
from genomask.data.text import corpus_files
from genomask.data.tokenizers.saved import dna_tokenizer
from genomask.data.tokenizers.vocabularies import bert_vocabulary, vocabulary_of_files, vocabulary_of_stream
from genomask.data.tokenizers.wordpiece import VOCABULARY, wordpiece_tokenizer
from genomask.data.windows import WindowSettings

STREAMED = ("c4",)
"""The corpus that is streamed from the hub instead of read from disk."""
STREAM_SAMPLE = 20_000
"""Documents of the stream from which word pieces are learned where BERT's cannot be had: of C4, 45 MB of text."""


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The raw input of a run, written beside its recipe: either genome files or a corpus."""

    genome: tuple[str, ...] = ()
    ambiguous: str = "error"
    corpus: tuple[str, ...] = ()

    def absolute(self) -> "Inputs":
        """The same files by absolute paths, so that they are found from any folder; C4, streamed, is no file."""
        corpus = self.corpus if self.corpus == STREAMED else tuple(map(os.path.abspath, self.corpus))
        return replace(self, genome=tuple(map(os.path.abspath, self.genome)), corpus=corpus)


def open_genome(inputs: Inputs, tokens: DnaTokenSettings, windows: WindowSettings, seed: int) -> GenomeSource:
    """Windows of the genome files."""
    genome = Genome.open(inputs.genome, ambiguous=inputs.ambiguous)
    return GenomeSource(genome, windows, dna_tokenizer(tokens), seed)


def open_text(
    inputs: Inputs, tokens: WordPieceSettings, documents: DocumentSettings, seed: int, out: Path
) -> TextSource | StreamedText:
    """Documents of the corpus; a vocabulary that the run in the folder `out` has kept is taken again."""
    is_streamed = inputs.corpus == STREAMED
    if is_streamed:
        require_hub()
    kept = out / VOCABULARY
    given = kept if kept.exists() else tokens.vocabulary
    vocabulary = given or _vocabulary(inputs, tokens.vocab_size, is_streamed)
    tokenizer = wordpiece_tokenizer(vocabulary)
    if is_streamed:
        return StreamedText(tokenizer, documents)
    return TextSource(inputs.corpus, tokenizer, documents, seed)


def _vocabulary(inputs: Inputs, size: int, is_streamed: bool) -> Path:
    """For someone who names none: of local shards their own; for a stream BERT's, or that of its first documents."""
    if not is_streamed:
        return vocabulary_of_files(corpus_files(inputs.corpus), size)
    return bert_vocabulary() or vocabulary_of_stream(first_documents(STREAM_SAMPLE), size)
