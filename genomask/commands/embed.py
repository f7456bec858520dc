"""`genomask embed`: sequences in, a vector of each (or of each token) out, in the file's order, names beside them."""

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from genomask.data.sequences import NamedSequence, SequenceFile
from genomask.errors import SettingsError, counted
from genomask.files.inputs import STDOUT, named
from genomask.files.vectors import Labels, names_beside, require_out, vector_file
from genomask.inference.models import Loaded, load
from genomask.inference.pooling import VectorSettings
from genomask.inference.stream import chunk_tokens, chunk_vectors, chunks, read_for
from genomask.machine.process import collect_only_new_garbage
from genomask.terminal.progress import working

TOKENS = "tokens"
"""The pooling that pools nothing: a vector of every token that covers bases, and which bases those are."""


def embed(model: Path, sequences: SequenceFile, pooling: str, out: Path, *, both_strands: bool = False) -> str:
    """Write the vectors; returns where they are, or "" for standard output.

    Raises UserError before anything is written for what cannot be read, pooled or written.
    """
    if pooling == TOKENS and both_strands:
        raise SettingsError("--both-strands averages vectors of whole sequences; leave it out with --pooling tokens.")
    require_out(out, sequences.files)
    settings = VectorSettings() if pooling == TOKENS else VectorSettings(pooling=pooling)
    loaded = load(model)
    collect_only_new_garbage()
    columns = ("name", "start", "stop") if pooling == TOKENS else ("name",)
    done = 0
    with (
        working("embedding", unit="sequence") as work,
        vector_file(out, columns) as write,
        ThreadPoolExecutor(1, thread_name_prefix="vectors") as writer,  # writes one chunk while the next is computed
    ):
        writing: Future[None] | None = None
        for chunk in chunks(read_for(loaded, sequences, both_strands=both_strands)):
            if pooling == TOKENS:
                labels, found = _of_tokens(loaded, chunk, settings, named(sequences.path))
            else:
                labels = [[sequence.name for sequence in chunk]]
                found = chunk_vectors(loaded, chunk, settings, named(sequences.path), both_strands=both_strands)
            if writing is not None:
                writing.result()
            writing = writer.submit(write, labels, found)
            done += len(chunk)
            work.show(done)
        if writing is not None:
            writing.result()
    return "" if out == STDOUT else _said(out, done, loaded)


def _of_tokens(
    loaded: Loaded, chunk: list[NamedSequence], settings: VectorSettings, where: str
) -> tuple[Labels, np.ndarray]:
    found = chunk_tokens(loaded, chunk, settings, where)
    names = [chunk[number].name for number in found.sequence.tolist()]
    return [names, found.start, found.stop], found.vectors


def _said(out: Path, done: int, loaded: Loaded) -> str:
    names = f", names in {names_beside(out)}" if out.suffix == ".npy" else ""
    return f"{out}: {counted(done, 'sequence')}, vectors of width {loaded.model.config.hidden_size:,}{names}"
