"""`genomask masks`: letters or a region of a FASTA file in; what strategies hide of it, printed and drawn, out.

Letters: L bases, T tokens of the sequence; the masks see them between [CLS] and [SEP], as in pretraining.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from rich.console import RenderableType
from torch import Tensor

from genomask.data.bases import base_codes, letters_of
from genomask.data.fasta import AMBIGUOUS_LETTERS, UNKNOWN
from genomask.data.fasta_index import read_part
from genomask.data.genome import Genome
from genomask.data.genome_formats import read_genome
from genomask.data.tokenizers.base import CLS, SEP
from genomask.data.tokenizers.kmer import KmerTokenizer
from genomask.data.window_sampling import place_evenly
from genomask.errors import DataError, SettingsError
from genomask.files.inputs import require_sequence, split_at_file
from genomask.files.outputs import require_own, require_writable, writing
from genomask.hashing import make_keys
from genomask.masking import NpmiTable, Strategy, account, build_strategy
from genomask.masking.accounting import hidden_bases
from genomask.masking.names import find_strategy
from genomask.report.mask_picture import is_mask_picture, mask_picture
from genomask.report.mask_rows import MaskedSequence, MaskRow, Tally, tally_frame
from genomask.report.mask_text import mask_text
from genomask.report.style import require_picture_name
from genomask.report.tables import rich_table
from genomask.terminal.console import Line
from genomask.types import TokenBases

log = logging.getLogger(__name__)

MOST_BASES = 2_000
"""A longer sequence makes no readable picture."""
MANY_MASKS = 2_000
"""Masks of the same sequence over which the means are taken; the first of them is shown."""
SAMPLE_WINDOWS = 1_000
"""Windows of the genome on which to set strategies whose rate depends on the sequences."""


@dataclass(frozen=True, kw_only=True)
class MaskQuestion:
    """What to show."""

    sequence: str
    """IUPAC letters, or FASTA:RECORD:FIRST-LAST, counted from 1, both ends included."""
    strategies: tuple[str, ...]
    k: int = 6
    rate: float = 0.15
    match: str = "tokens"
    npmi: Path | None = None
    """A saved table; None: counted in `genome` or, if a strategy needs it, in the sequence's FASTA."""
    genome: tuple[Path, ...] = ()
    ambiguous: str = "error"
    seed: int = 0

    @property
    def files(self) -> tuple[Path, ...]:
        """The input files, which must not be overwritten."""
        fasta, _ = split_at_file(self.sequence)
        return tuple(filter(None, [fasta, self.npmi, *self.genome]))


class Stretch(NamedTuple):
    """A sequence and where it comes from."""

    name: str  # record; empty for letters given directly
    first: int  # number of the first base in its record, from 1
    codes: np.ndarray  # (L,) uint8
    file: Path | None


def draw_masks(question: MaskQuestion, out: Path, width: int) -> Iterator[RenderableType]:
    """`genomask masks`: yield what to print, `width` columns wide, then draw the picture `out`."""
    require_writable(out, "--out", question.files)
    require_picture_name(out)
    require_own(out, "--out", is_mask_picture, "a picture that genomask masks drew")
    shown = show_masks(question)
    yield mask_text(shown, width)
    yield rich_table(tally_frame(shown), caption=f"mean: over {MANY_MASKS:,} masks; the first one is shown")
    with writing(out, "--out"):
        mask_picture(shown, out)
    yield Line(f"picture: {out}")


def show_masks(question: MaskQuestion) -> MaskedSequence:
    """Mask the sequence with every strategy: one mask to show, and many for the means.

    Raises SettingsError and DataError for a sequence, region, table or strategy that cannot be used.
    """
    if not question.strategies:
        raise SettingsError("no strategy named; give some, separated by commas, such as --masking uniform,contiguous.")
    tokenizer = KmerTokenizer(k=question.k)
    stretch = read_stretch(question.sequence, question.ambiguous)
    input_ids = _encode(stretch, tokenizer)
    genome = _open_genome(question, stretch)
    table = _open_table(question, genome)
    sample = _windows(genome, len(stretch.codes), tokenizer) if genome else None
    rows = []
    for name in question.strategies:
        _require_inputs(name, question, len(stretch.codes), table, sample)
        strategy = build_strategy(
            name, tokens=tokenizer.token_bases, mask_rate=question.rate, npmi=table, match=question.match, sample=sample
        )
        rows.append(_mask(name, strategy, input_ids, tokenizer.token_bases, question.seed))
    best = best_npmi(stretch.codes, question.k, table) if table else np.zeros(0)
    if table and np.isnan(best).all():
        log.warning(
            f"no {question.k}-mer of this sequence is counted {table.min_count} times, so the NPMI row is "
            "empty, and a strategy that chooses by NPMI chooses at random"
        )
    return MaskedSequence(
        name=stretch.name,
        first=stretch.first,
        letters=letters_of(stretch.codes),
        k=question.k,
        best_npmi=best,
        rows=tuple(rows),
    )


def read_stretch(text: str, ambiguous: str = "error") -> Stretch:
    """The sequence that `text` spells or names. Raises DataError or SettingsError if it does neither.

    A file whose name could be IUPAC letters is read as a file, unless A C G T U N alone spell the name.
    """
    file, region = split_at_file(text)
    letters = set(text.upper())
    if letters and letters <= set("ACGTUN" if file else "ACGTUN" + AMBIGUOUS_LETTERS):
        return Stretch("", 1, _read_letters(text, ambiguous), None)
    require_sequence(text)
    if file is None:
        raise DataError(
            f"{text[:60]!r} is neither a sequence of the letters A C G T N nor part of an existing file; "
            "give letters, or FASTA:RECORD:FIRST-LAST such as genome.fa:chr1:1001-1120."
        )
    if not region:
        record = next(read_genome(file, ambiguous)).record
        raise SettingsError(
            f"{file}: name the part of it to look at, such as {file}:{record}:1-120, from 1, both ends included."
        )
    part = read_part(file, region, ambiguous)
    return Stretch(part.record, part.start + 1, part.codes, file)


def _read_letters(text: str, ambiguous: str) -> np.ndarray:
    """(L,) uint8 codes of IUPAC letters, read as in a FASTA file."""
    several = [letter for letter in text if letter.upper() in AMBIGUOUS_LETTERS]
    if several and ambiguous != "n":
        raise DataError(
            f"{text[:60]!r}: {several[0]!r} is not one of A C G T N. Pass --ambiguous n to read such letters as N."
        )
    return base_codes(text)


def best_npmi(codes: np.ndarray, k: int, table: NpmiTable) -> np.ndarray:
    """(L,) float64, the highest NPMI of the k-mers over each base, as GeneMask's centres see it; NaN without one."""
    windows = np.lib.stride_tricks.sliding_window_view(codes.astype(np.int64), k)
    is_known = (windows < UNKNOWN).all(1)
    words = (np.minimum(windows, UNKNOWN - 1) * 4 ** np.arange(k - 1, -1, -1)).sum(1)
    scores = np.where(is_known, table.npmi(k)[words], -np.inf)
    padded = np.pad(scores, k - 1, constant_values=-np.inf)
    best = np.lib.stride_tricks.sliding_window_view(padded, k).max(1)
    return np.where(np.isfinite(best), best, np.nan)


def _encode(stretch: Stretch, tokenizer: KmerTokenizer) -> Tensor:
    """(T + 2,) ids; SettingsError for a sequence too short, too long or without a maskable token."""
    n_bases, k = len(stretch.codes), tokenizer.k
    if n_bases < k:
        raise SettingsError(f"the sequence has {n_bases} bases, less than one token of k = {k}; give at least {k}.")
    if n_bases > MOST_BASES:
        raise SettingsError(f"the sequence has {n_bases:,} bases; a picture shows at most {MOST_BASES:,}; give a part.")
    ids = torch.from_numpy(np.concatenate([[CLS], tokenizer.encode_bases(stretch.codes), [SEP]]))
    if not tokenizer.token_bases.maskable[ids].any():
        raise SettingsError(f"the sequence has no {k} known bases in a row, only N; give another part.")
    return ids


def _open_genome(question: MaskQuestion, stretch: Stretch) -> Genome | None:
    """The genome for NPMI and rates: the one named or, if a strategy needs one, the stretch's file."""
    needs = {need for name in question.strategies for need in find_strategy(name)[0].needs}
    is_needed = "windows" in needs or ("npmi" in needs and question.npmi is None)
    files = question.genome or ((stretch.file,) if stretch.file and is_needed else ())
    return Genome.open(files, ambiguous=question.ambiguous) if files else None


def _open_table(question: MaskQuestion, genome: Genome | None) -> NpmiTable | None:
    """The NPMI table given, or one counted in the genome; None without either, or if a token is one base."""
    if question.k < 2:
        return None
    if question.npmi:
        return NpmiTable.load(question.npmi)
    if genome is None:
        return None
    return NpmiTable.from_intervals(genome.codes, genome.runs, max_n=question.k, genome=genome.fingerprint)


def _windows(genome: Genome, n_bases: int, tokenizer: KmerTokenizer) -> tuple[Tensor, Tensor] | None:
    """Packed ids and cu_seqlens of windows as long as the sequence, from all over the genome's stretches of ACGT.

    None if no stretch is that long.
    """
    starts = place_evenly(genome.runs, n_bases, SAMPLE_WINDOWS, seed=0)
    if len(starts) == 0:
        return None
    kmers = tokenizer.encode_bases(genome.codes[starts[:, None] + np.arange(n_bases)])
    ids = np.pad(kmers, ((0, 0), (1, 1)), constant_values=((0, 0), (CLS, SEP)))
    return torch.from_numpy(ids).flatten(), torch.arange(len(ids) + 1) * ids.shape[1]


def _require_inputs(
    name: str, question: MaskQuestion, n_bases: int, table: NpmiTable | None, sample: tuple[Tensor, Tensor] | None
) -> None:
    """Raises SettingsError for what a strategy lacks, in terms of the command line."""
    spec, _ = find_strategy(name)
    if "npmi" in spec.needs and table is None and question.k > 1:
        raise SettingsError(
            f"masking strategy {name!r} chooses by NPMI: give a table as --npmi, or a FASTA to count it in as --genome."
        )
    if "windows" in spec.needs and sample is None and question.match != "none":
        raise SettingsError(
            f"masking strategy {name!r} meets its rate on windows of a genome that are as long as the sequence, "
            f"{n_bases} bases of A C G T: give a genome with such stretches as --genome, a shorter sequence, or "
            "--match none."
        )


def _mask(name: str, strategy: Strategy, input_ids: Tensor, tokens: TokenBases, seed: int) -> MaskRow:
    """Draw many masks: the first to be shown, and tallies of it and of all."""
    n = len(input_ids)
    many_ids = input_ids.repeat(MANY_MASKS)
    many_seqlens = torch.arange(MANY_MASKS + 1) * n
    keys = torch.from_numpy(make_keys(seed, 0, np.arange(MANY_MASKS)))
    many = strategy.select(many_ids, many_seqlens, keys)
    one, one_seqlens = many[:n], many_seqlens[:2]
    return MaskRow(
        strategy=name,
        masked=(one[1:-1] > 0).numpy(),
        hidden=hidden_bases(input_ids, one, one_seqlens, tokens).numpy(),
        shown=_tally(input_ids, one, one_seqlens, tokens),
        many=_tally(many_ids, many, many_seqlens, tokens),
    )


def _tally(input_ids: Tensor, spans: Tensor, cu_seqlens: Tensor, tokens: TokenBases) -> Tally:
    """Count what the spans of equally long sequences hide if every masked token becomes [MASK]."""
    masks = len(cu_seqlens) - 1
    after = torch.where(spans > 0, tokens.mask_id, input_ids)
    n_spans = int(spans.view(masks, -1).amax(1).sum())
    return Tally(masks, n_spans, account(input_ids, after, spans, cu_seqlens, tokens))
