"""`genomask predict`: sequences and a classifier in, a label and a probability of each class out, row by row as TSV."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from genomask.data.sequences import SequenceFile
from genomask.errors import counted
from genomask.files.atomic import atomic_file
from genomask.files.inputs import STDOUT, named
from genomask.files.vectors import line_of, require_out
from genomask.inference.classes import class_names, read_out
from genomask.inference.models import load
from genomask.inference.stream import chunk_logits, chunks, read_for
from genomask.machine.process import collect_only_new_garbage
from genomask.terminal.progress import working


def predict(model: Path, sequences: SequenceFile, out: Path, *, both_strands: bool = False) -> str:
    """Write a row per sequence: `name`, `label` and a column per class (regression: `name` and `label`, the value).

    Returns where it is, or "" for standard output. Raises UserError before anything is written for a folder without a
    trained classifier, and for what cannot be read or written.
    """
    require_out(out, sequences.files, suffixes=(".tsv",))
    loaded = load(model, "trained classification")
    collect_only_new_garbage()
    done = 0
    with working("predicting", unit="sequence") as work, _opened(out) as file:
        for chunk in chunks(read_for(loaded, sequences, both_strands=both_strands)):
            found = chunk_logits(loaded, chunk, named(sequences.path), both_strands=both_strands)
            said = read_out(loaded.model, found)
            if done == 0:
                file.write(f"{line_of(['name', 'label', *class_names(loaded.model)])}\n".encode())
            rows = zip(chunk, said.labels, said.figures.tolist(), strict=True)
            lines = (line_of([sequence.name, label, *(f"{x:.6g}" for x in row)]) for sequence, label, row in rows)
            file.write("".join(f"{line}\n" for line in lines).encode())
            done += len(chunk)
            work.show(done)
    return "" if out == STDOUT else f"{out}: {counted(done, 'sequence')}"


@contextmanager
def _opened(out: Path) -> Iterator[BinaryIO]:
    """The file, which appears whole or not at all; or standard output."""
    if out == STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    else:
        with atomic_file(out) as file:
            yield file
