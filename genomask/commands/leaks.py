"""`genomask leaks`: two files of sequences in; how many of the first are in the second, and which, out.

A sequence is found whole in a table if a row equals it, in FASTA if it lies within a record.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from rich.table import Table

from genomask.data.bases import letters_of
from genomask.data.genome import Genome
from genomask.data.genome_formats import is_genome
from genomask.data.sequences import SequenceFile
from genomask.errors import counted
from genomask.fewshot.leaks import NOT_IN_GENOME, WORDLESS, Leaks, skipped_in_genome, whole_in_genome, whole_in_pool
from genomask.fewshot.shared_words import WORD, Bases, SharedWords, bases_of, shared_words
from genomask.files.atomic import atomic_write
from genomask.files.genomes import name_of
from genomask.files.vectors import line_of, require_out
from genomask.report.tables import rich_table
from genomask.terminal.console import Line

LONGEST_WHOLE = 1 << 20
"""Most bases of a sequence that is searched for whole; a chromosome is searched for only by its 32-mers."""
COLUMNS = ("name", "exact", "reverse_complement", "shared_32mers", "of_32mers")


class Sequences(NamedTuple):
    """The sequences of one of the two files."""

    names: list[str]
    bases: Bases
    runs: np.ndarray | None
    """A genome's maximal stretches of ACGT; None for a table."""

    def letters(self, longest: int) -> list[str]:
        """The letters of each sequence; empty for one longer than `longest`."""
        codes, intervals = self.bases
        return [letters_of(codes[at:end]) if end - at <= longest else "" for at, end in intervals.tolist()]


def find_leaks(a: Path, b: Path, out: Path | None, *, column: str, ambiguous: str) -> Iterator[Table | str]:
    """Look for the sequences of `a` in `b`; write those found to `out`, and yield what to print.

    Raises UserError for a file that holds no sequences, and for an `out` that cannot be written or is not ours.
    """
    if out:
        require_out(out, [a, b], suffixes=(".tsv",))
    these, those = (_read(path, column, ambiguous) for path in (a, b))
    words = shared_words(these.bases, those.bases)
    asked = these.letters(LONGEST_WHOLE)
    if those.runs is None:
        exact, reverse = whole_in_pool(asked, those.letters(those.bases.size))
        skipped = np.array([not letters for letters in asked], dtype=bool)
    else:
        exact, reverse = whole_in_genome(asked, those.bases.codes, those.runs)
        skipped = skipped_in_genome(asked)
    leaks = Leaks(exact, reverse, words.shared > 0, skipped, words.words == 0)
    caption = _caption(words, leaks, in_genome=those.runs is not None)
    yield rich_table(leak_frame(leaks), f"Sequences of {name_of(a)} that are in {name_of(b)}", caption)
    if out:
        _write(out, these.names, leaks, words)
        yield Line(f"{out}: {counted(int(leaks.found.sum()), 'sequence')}")


def leak_frame(leaks: Leaks) -> pd.DataFrame:
    """A row for each way to be found: how many sequences, and which fraction of all."""
    ways = {
        "whole, as they are": leaks.exact,
        "whole, as reverse complement": leaks.reverse,
        f"{WORD} bases in a row, on either strand": leaks.near,
        "any of these": leaks.found,
        "all sequences": np.ones(len(leaks.found), dtype=bool),
    }
    rows = [(name, f"{int(found.sum()):,}", f"{100 * found.mean():.2f}") for name, found in ways.items()]
    return pd.DataFrame(rows, columns=["found", "sequences", "%"])


def _read(path: Path, column: str, ambiguous: str) -> Sequences:
    if is_genome(path):
        genome = Genome.open(path, ambiguous=ambiguous)
        records = np.stack([genome.offsets[:-1], genome.offsets[1:]], axis=1)
        return Sequences(genome.names, Bases(genome.codes, records), genome.runs)
    rows = list(SequenceFile(path=path, column=column, most_bases=LONGEST_WHOLE).read())
    return Sequences([row.name for row in rows], bases_of([row.bases for row in rows]), None)


def _caption(words: SharedWords, leaks: Leaks, *, in_genome: bool) -> str:
    """What the counts mean, and what was not looked for."""
    shared, all_words = int(words.shared.sum()), int(words.words.sum())
    said = (
        f"{shared:,} of {all_words:,} places of 32 bases are shared ({100 * shared / max(all_words, 1):.2f} %). "
        "Repeats common in a genome are shared too."
    )
    if n := int((leaks.wordless & ~leaks.skipped).sum()):
        said += f" Sequences {WORDLESS}, looked for only whole: {n:,}."
    if n := int((~leaks.wordless & leaks.skipped).sum()):
        said += f" Not looked for whole, {_why(in_genome)}: {n:,}."
    if n := int((leaks.wordless & leaks.skipped).sum()):
        said += f" Not looked for at all, {_why(in_genome)}, and {WORDLESS}: {n:,}."
    return said


def _why(in_genome: bool) -> str:
    """Why a sequence is not looked for whole."""
    long = f"longer than {LONGEST_WHOLE:,} bases"
    return f"{NOT_IN_GENOME}, or {long}" if in_genome else long


def _write(out: Path, names: list[str], leaks: Leaks, words: SharedWords) -> None:
    lines = [line_of(COLUMNS)]
    for at in np.flatnonzero(leaks.found).tolist():
        row = (leaks.exact[at], leaks.reverse[at], words.shared[at], words.words[at])
        lines.append(line_of([names[at], *map(int, row)]))
    atomic_write(out, "".join(f"{line}\n" for line in lines))
