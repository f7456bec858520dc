"""A model, a genome and a VCF in; a score for each ALT, and how well the scores rank the ALTs by a label, out.

The VCF streams through in bounded memory. A file is read twice: first in a moment, before the model starts, to
find lines that are malformed or do not belong to the genome.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rich.table import Table

from genomask.commands.run_folder.folder import read_config, run_of
from genomask.commands.variants.labels import Labels
from genomask.commands.variants.output import require_output, writer
from genomask.commands.variants.ranking import Criterion
from genomask.data.genome import Genome
from genomask.data.tokenizers.base import DnaTokenizer
from genomask.data.tokenizers.saved import open_tokenizer
from genomask.data.vcf import VcfLine, is_spelt, read_vcf
from genomask.errors import DataError, counted
from genomask.files.inputs import STDIN, STDOUT
from genomask.inference.sites import Sites
from genomask.inference.variants import NOT_SPELT, NOT_THE_GENOME, Score, VariantScorer
from genomask.recipe import GenomeRecipe
from genomask.terminal.console import Line
from genomask.terminal.progress import working

VARIANTS_AT_ONCE = 1024
BYTES_AT_ONCE = 1 << 26
"""Most bytes of the lines held at once; one line always is, whatever its length."""
MOST_NAMED = 3


@dataclass(frozen=True, kw_only=True)
class VariantRequest:
    """A request to `genomask variants`."""

    model: Path
    genome: tuple[Path, ...]
    vcf: Path
    out: Path
    ambiguous: str = "error"
    mismatch: str = "error"
    """"error" or "skip": what to do with a REF that is not the genome's."""
    window: int = 0
    """Bases that the model sees at once; 0: as in the model's run, or 510 tokens."""
    criterion: Criterion | None = None


@dataclass
class _Misfits:
    """Variants at odds with the genome: how many, and the first few by record and position."""

    count: int = 0
    first_line: int = 0
    named: list[str] = field(default_factory=list)

    def fits(self, line: VcfLine, sites: Sites) -> bool:
        """Whether a line, if it is a variant, fits the genome; counts it if not."""
        fault = sites.place(line.variant).fault if line.variant else ""
        if fault:
            self.count += 1
            self.first_line = self.first_line or line.number
            self.named += [fault] * (len(self.named) < MOST_NAMED)
        return not fault

    def sentences(self) -> Iterator[Line]:
        """What to print of those that were left out."""
        if self.count:
            more = "; ..." if self.count > len(self.named) else "."
            yield Line(
                f"{counted(self.count, 'variant')} left out, at odds with the genome: {'; '.join(self.named)}{more}"
            )


def score_vcf(request: VariantRequest) -> Iterator[Table | str]:
    """Score every ALT, write the scores, and yield what to print.

    Raises UserError for what cannot be read, scored or written; then nothing is written except what went to a pipe.
    """
    require_output(request.out, [request.vcf, *request.genome])
    sites = Sites(Genome.open(request.genome, ambiguous=request.ambiguous))
    total = None if request.vcf == STDIN else _look_over(request, sites)
    scorer = VariantScorer.open(request.model, sites, request.window or _window_of_run(request.model))
    labels = Labels(request.criterion) if request.criterion else None
    reasons: Counter[str] = Counter()
    scored, misfits = 0, _Misfits()
    with writer(request.out) as write, working("scoring", total, "variant") as work:
        for lines in _chunks(_checked(request, sites, misfits)):
            variants = [line.variant for line in lines if line.variant is not None]
            scores = iter(scorer.scores(variants))
            for line in lines:
                found = next(scores) if line.variant is not None else []
                write(line, found)
                reasons.update(score.reason for score in found if score.reason)
                scored += sum(not score.reason for score in found)
                if labels:
                    labels.note(line, found)
            work.advance(len(variants))
    where = "" if request.out == STDOUT else f": {request.out}"
    n_alts = counted(scored + reasons.total(), "ALT")
    yield Line(f"{scored:,} of {n_alts} scored in windows of {scorer.width} bases{where}")
    yield from misfits.sentences()
    yield from (Line(f"without a score: {n:,} {reason}") for reason, n in reasons.most_common())
    if labels and (fault := labels.fault()):  # the scores are complete all the same
        yield fault
    elif labels:
        yield from labels.report()


def _look_over(request: VariantRequest, sites: Sites) -> int:
    """Read the whole VCF and count its variants; raises DataError for what would stop the work later."""
    n, misfits = 0, _Misfits()
    labels = Labels(request.criterion) if request.criterion else None
    for line in read_vcf(request.vcf):
        n += line.variant is not None
        fits = misfits.fits(line, sites)
        if labels:
            alts = line.variant.alts if line.variant else ()
            reasons = (NOT_THE_GENOME if not fits else "" if is_spelt(alt) else NOT_SPELT for alt in alts)
            labels.note(line, [Score(0.0, reason) for reason in reasons])
    if misfits.count and request.mismatch == "error":
        raise DataError(
            _mismatch(request, misfits, f" {misfits.count:,} of {counted(n, 'variant')} at odds with the genome.")
        )
    if labels and (fault := labels.fault()):
        raise DataError(fault)
    return n


def _checked(request: VariantRequest, sites: Sites, misfits: _Misfits) -> Iterator[VcfLine]:
    """The lines; raises DataError at the first that does not fit, unless misfits are skipped."""
    for line in read_vcf(request.vcf):
        if not misfits.fits(line, sites) and request.mismatch == "error":
            raise DataError(_mismatch(request, misfits))
        yield line


def _mismatch(request: VariantRequest, misfits: _Misfits, how_many: str = "") -> str:
    return (
        f"{request.vcf}, line {misfits.first_line}: {misfits.named[0]}.{how_many} "
        "Give the genome that the VCF was made on, or leave such variants without a score with --mismatch skip."
    )


def _chunks(lines: Iterable[VcfLine]) -> Iterator[list[VcfLine]]:
    """Lines that are scored together."""
    chunk: list[VcfLine] = []
    size = 0
    for line in lines:
        if chunk and (len(chunk) >= VARIANTS_AT_ONCE or size + len(line.raw) > BYTES_AT_ONCE):
            yield chunk
            chunk, size = [], 0
        chunk.append(line)
        size += len(line.raw)
    if chunk:
        yield chunk


def _window_of_run(model: Path) -> int:
    """Bases of the longest window that the model's run trained on; 0 if unknown."""
    run = run_of(model)
    if run is None:
        return 0
    recipe, _ = read_config(run)
    if not isinstance(recipe, GenomeRecipe):
        return 0
    tokenizer = open_tokenizer(model)
    return int(tokenizer.bases_for(recipe.windows.max_tokens)) if isinstance(tokenizer, DnaTokenizer) else 0
