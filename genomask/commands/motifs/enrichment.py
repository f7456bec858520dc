"""Are the top words by NPMI conserved motifs? A table and a file of motif matrices in, enrichment and a verdict out.

GeneMask claims that they are (Roy et al., ECAI 2023). A motif is searched for on both strands, so a word and its
reverse complement are one observation: a pair. A pair matches a motif if it scores among the best of all pairs of its
length. Pairs with a top word are compared with all others of their stratum (see word_pairs), so that neither
composition nor frequency nor repetition passes for a motif.
The floor is the same motifs with the columns of each permuted, by the same code. It is needed because the test within
strata takes words to be independent, and they are not: neighbours that share all letters but one or two score alike and
match alike, so any matrix at all, even a random one, is matched far more or less often than by chance.
Letters: P pairs that are compared, S strata, M motifs, R permuted sets.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from rich.console import RenderableType
from scipy.stats import false_discovery_control

from genomask.commands.motifs.exact_strata import exact_p
from genomask.commands.motifs.matches import Motif, best_fraction, best_scores, log_odds, permuted, read_jaspar
from genomask.commands.motifs.word_pairs import WordPairs, canonical_words, word_pairs
from genomask.errors import SettingsError, counted
from genomask.files.atomic import atomic_write
from genomask.files.outputs import require_own, require_writable, writing
from genomask.masking.npmi import NpmiTable
from genomask.report.tables import rich_table
from genomask.terminal.progress import working

LEVEL = 0.05
ANY = "any motif"
ROWS_SHOWN = 20
CONTROLS = 39
"""Permuted sets: the fewest that can answer each of two questions at LEVEL / 2."""


class Outcome(NamedTuple):
    """The outcome for a set of motifs, real or permuted."""

    more: int
    """Motifs that top words match more often, at a false discovery rate of LEVEL within strata."""
    less: int
    any_ratio: float
    """Matches to any motif: those seen over those expected."""


@dataclass(frozen=True)
class Enrichment:
    """The result of the test."""

    table: pd.DataFrame
    """First the row ANY, then a row a motif by p: `motif, name, top_matches, expected, ratio, permuted, permuted_least,
    permuted_most, p, p_adjusted`. ratio is top_matches / expected; for the permuted sets, its median and range. p is
    within strata, and too small as some words are alike; p_adjusted is Benjamini and Hochberg's over the motifs."""
    real: Outcome
    permuted: list[Outcome]
    """(R,)"""
    n: int
    top: int
    """Words asked for."""
    top_pairs: int
    alone: int
    """Of these, pairs without a background pair in their stratum, which show nothing."""
    any_fraction: float
    """ANY counts a pair that is among the best `any_fraction` of pairs for at least one motif."""

    @property
    def p_more(self) -> float:
        """The probability that this many motifs are matched more often if the order of their columns means nothing."""
        return _rank_p(self.real.more, [control.more for control in self.permuted])

    @property
    def p_any(self) -> float:
        """The same for the ratio of matches to any motif."""
        return _rank_p(self.real.any_ratio, [control.any_ratio for control in self.permuted])

    @property
    def sentence(self) -> str:
        """The verdict."""
        more, less, any_ratio = (pd.Series(values, dtype=float) for values in zip(*self.permuted, strict=True))
        verdict = "The floor wins: motifs are not shown to match more than permuted ones, nor top words to be motifs."
        if min(self.p_more, self.p_any) <= LEVEL / 2:  # of two questions
            verdict = "So the top words match motifs more often than permuted ones."
        return (
            f"Of {counted(len(self.table) - 1, 'motif')}, {self.real.more} are matched more often, and "
            f"{self.real.less} less often, by the top {self.top} {self.n}-mers by NPMI than by other words of like GC, "
            f"count and repetition; with their columns permuted, {_spread(more)} and {_spread(less)} (median and range "
            f"of {len(self.permuted)} sets): p {self.p_more:.2g} for more. Matches to any motif are "
            f"{self.real.any_ratio:.3g} times those expected, to any permuted one {_spread(any_ratio)}: "
            f"p {self.p_any:.2g}. {verdict}"
        )

    @property
    def caption(self) -> str:
        """How to read the table."""
        rest = max(0, len(self.table) - 1 - ROWS_SHOWN)
        return (
            f"The {self.top} words are {self.top_pairs} pairs with their reverse complements; {self.alone} of these "
            f"have no other word of their stratum to compare with. permuted: the median ratio and the range with "
            f"the columns of the motif in {len(self.permuted)} other orders, the floor. p within strata, too small "
            "because it treats similar words as independent, and adjusted after Benjamini and Hochberg. "
            f"For {ANY}, a word counts if it is among the best {self.any_fraction:.2%} for one."
            + (f" Not shown: {counted(rest, 'more motif')}; --out writes all." if rest else "")
        )

    def shown(self) -> pd.DataFrame:
        """The first rows, formatted."""
        rows = self.table[: ROWS_SHOWN + 1]
        floors = rows[["permuted", "permuted_least", "permuted_most"]].to_numpy()
        return pd.DataFrame(
            {
                "motif": rows["motif"],
                "name": rows["name"],
                "top matches": rows["top_matches"],
                "expected": [f"{x:.1f}" for x in rows["expected"]],
                "ratio": [_known(f"{x:.3g}") for x in rows["ratio"]],
                "permuted": [_known(f"{middle:.3g} [{least:.3g}, {most:.3g}]") for middle, least, most in floors],
                "p": [f"{x:.2g}" for x in rows["p"]],
                "p adjusted": [_known(f"{x:.2g}") for x in rows["p_adjusted"]],
            }
        )


def is_csv(path: Path) -> bool:
    """Whether a file begins as the table's CSV does."""
    with path.open("rb") as file:
        return file.readline(30).startswith(b"motif,name,top_matches,")


def tested_motifs(
    table: Path, jaspar: Path, n: int, top: int, fraction: float, out: Path | None
) -> Iterator[RenderableType]:
    """`genomask npmi motifs`: yield what to print, then write the whole result to `out`, if given."""
    if out:
        require_writable(out, "--out", [table, jaspar])
        require_own(out, "--out", is_csv, "such a result")
    found = motif_enrichment(NpmiTable.load(table), jaspar, n, top, fraction)
    yield rich_table(found.shown(), caption=found.caption)
    yield found.sentence
    if out:
        with writing(out, "--out"):
            atomic_write(out, found.table.to_csv(index=False))


def motif_enrichment(table: NpmiTable, path: Path, n: int = 6, top: int = 100, fraction: float = 0.01) -> Enrichment:
    """Test the `top` words of n bases by NPMI against every motif of a JASPAR file, `fraction` of pairs matching each.

    Raises SettingsError for an n that the table lacks, or a `top` or fraction that leaves nothing to compare.
    """
    if not 0 < fraction <= 0.5:
        raise SettingsError(f"the fraction of words that match a motif must lie between 0 and 0.5, got {fraction}.")
    pairs = word_pairs(table.npmi(n), table.counts(n), top)
    bases = table.counts(1) + 1.0  # so that a base that the genome lacks has a logarithm
    bases += bases[::-1]  # both strands are scored
    return enrichment(pairs, read_jaspar(path), bases / bases.sum(), fraction)


def enrichment(pairs: WordPairs, motifs: list[Motif], background: np.ndarray, fraction: float) -> Enrichment:
    """The same for any pairs; `background`: the fractions (4,) of the bases."""
    matched, any_fraction = _matched(pairs, motifs, background, fraction)
    found, controls = _tested(pairs, matched), []
    with working("permuted motifs", CONTROLS, "set") as work:
        for number in range(CONTROLS):
            matched, _ = _matched(pairs, permuted(motifs, number), background, fraction)
            controls.append(_tested(pairs, matched))
            work.advance(1)
    outcomes = [_outcome(control) for control in controls]
    ratios = pd.concat([control["ratio"] for control in controls], axis=1)
    floors = {"permuted": ratios.median(1), "permuted_least": ratios.min(1), "permuted_most": ratios.max(1)}
    for at, (name, floor) in enumerate(floors.items(), found.columns.get_loc("p")):
        found.insert(at, name, floor)
    found.insert(0, "motif", [ANY, *(motif.id for motif in motifs)])
    found.insert(1, "name", ["", *(motif.name for motif in motifs)])
    table = pd.concat([found[:1], found[1:].sort_values("p", kind="stable")], ignore_index=True)
    group, total = pairs.group_and_total()
    alone = int(group[group == total].sum())
    return Enrichment(table, _outcome(found), outcomes, pairs.n, pairs.top, int(group.sum()), alone, any_fraction)


def _matched(
    pairs: WordPairs, motifs: list[Motif], background: np.ndarray, fraction: float
) -> tuple[list[np.ndarray], float]:
    """The pairs that match any motif, then those that match each; and `any_fraction`."""
    canonical = canonical_words(pairs.n)
    place = np.full(len(canonical), -1)
    place[np.searchsorted(canonical, pairs.words)] = np.arange(len(pairs.words))
    nearest = np.full(len(pairs.words), np.inf)  # for each pair's best motif, the fraction that match as well
    matched = []
    for motif in motifs:
        matches, rank = best_fraction(best_scores(log_odds(motif, background), pairs.n)[canonical], fraction)
        is_compared = place[matches] >= 0
        matched.append(place[matches[is_compared]])
        nearest[matched[-1]] = np.minimum(nearest[matched[-1]], rank[is_compared])
    any_motif = np.flatnonzero(nearest < np.median(nearest))  # where most pairs match one, only the better half
    return [any_motif, *matched], float(nearest[any_motif].max(initial=0))


def _tested(pairs: WordPairs, matched: list[np.ndarray]) -> pd.DataFrame:
    """A row for each list of matching pairs, ANY's first: matches seen and expected, and p."""
    group, total = pairs.group_and_total()
    matches = np.array([np.bincount(pairs.stratum[at], minlength=len(total)) for at in matched])
    seen, expected = np.array([pairs.is_top[at].sum() for at in matched]), (matches * group / total).sum(1)
    p = exact_p(seen, matches, group, total)
    ratio = np.divide(seen, expected, out=np.full(len(seen), np.nan), where=expected > 0)
    adjusted = [np.nan, *false_discovery_control(p[1:])]  # ANY is one question: not adjusted
    return pd.DataFrame({"top_matches": seen, "expected": expected, "ratio": ratio, "p": p, "p_adjusted": adjusted})


def _outcome(tested: pd.DataFrame) -> Outcome:
    """The outcome of rows from `_tested`."""
    ratios = tested["ratio"][tested["p_adjusted"] < LEVEL]
    return Outcome(int((ratios > 1).sum()), int((ratios < 1).sum()), float(tested["ratio"].iloc[0]))


def _rank_p(real: float, controls: list[float]) -> float:
    """The probability of ranking at least this high among the controls by chance; NaN is no evidence."""
    return (1 + sum(not control < real for control in controls)) / (1 + len(controls))


def _spread(values: pd.Series) -> str:
    """Median and range."""
    return f"{values.median():.3g} [{values.min():.3g}, {values.max():.3g}]"


def _known(number: str) -> str:
    """The text of a number, or a dash where nothing was expected."""
    return "-" if number.startswith("nan") else number
