"""Sequences through a model, some at a time, as they are read: memory does not grow with the file.

Letters: B sequences of a chunk, D width, C classes.
"""

from collections.abc import Iterable, Iterator

import numpy as np
from torch import Tensor

from genomask.data.bases import reverse_complement
from genomask.data.reading import TEXT
from genomask.data.sequences import NamedSequence, SequenceFile
from genomask.errors import SettingsError, shown
from genomask.inference.forward import logits
from genomask.inference.models import Loaded
from genomask.inference.pooling import TokenVectors, VectorSettings, token_vectors, vectors
from genomask.inference.tokens import check_lengths, tokenise
from genomask.inference.vocabulary import reading_of

CHUNK_BASES = 1 << 18
"""Bases read before they go through the model, so that sequences of similar length can go together."""


def chunks(sequences: Iterable[NamedSequence]) -> Iterator[list[NamedSequence]]:
    """The sequences in their order, about CHUNK_BASES at a time."""
    chunk: list[NamedSequence] = []
    bases = 0
    for sequence in sequences:
        chunk.append(sequence)
        bases += len(sequence.bases)
        if bases >= CHUNK_BASES:
            yield chunk
            chunk, bases = [], 0
    if chunk:
        yield chunk


def read_for(loaded: Loaded, asked: SequenceFile, *, both_strands: bool) -> Iterator[NamedSequence]:
    """The sequences of a file, read as DNA or text, as the model requires."""
    reading = reading_of(loaded.tokenizer)
    if both_strands and reading is TEXT:
        raise SettingsError("--both-strands is for DNA, and this is a model of text; leave it out.")
    return reading.read(asked)


def chunk_vectors(
    loaded: Loaded, chunk: list[NamedSequence], settings: VectorSettings, where: str, *, both_strands: bool
) -> np.ndarray:
    """(B, D) float32: one vector a sequence; with both strands the mean of its own and its reverse complement's."""
    names = _names(chunk)
    found = [vectors(loaded, bases, settings, where, names) for bases in _strands(chunk, both_strands)]
    return sum(found[1:], found[0]) / len(found)


def chunk_tokens(loaded: Loaded, chunk: list[NamedSequence], settings: VectorSettings, where: str) -> TokenVectors:
    """A vector of each token except special ones."""
    return token_vectors(loaded, [sequence.bases for sequence in chunk], settings, where, _names(chunk))


def chunk_logits(loaded: Loaded, chunk: list[NamedSequence], where: str, *, both_strands: bool) -> list[Tensor]:
    """(B, C) float64 logits of a classifier, of each strand that is read."""
    found = []
    for bases in _strands(chunk, both_strands):
        tokenised = tokenise(loaded.tokenizer, bases, where, _names(chunk))
        check_lengths(*loaded, tokenised, where)
        found.append(logits(loaded.model, tokenised.tokens))
    return found


def _names(chunk: list[NamedSequence]) -> list[str]:
    """What messages call them, since a chunk is not a whole file."""
    return [f"sequence {shown(sequence.name)}" for sequence in chunk]


def _strands(chunk: list[NamedSequence], both: bool) -> Iterator[list[str]]:
    yield [sequence.bases for sequence in chunk]
    if both:
        yield [reverse_complement(sequence.bases) for sequence in chunk]
