"""Are the top words by NPMI conserved motifs? A table and a file of motif matrices in, enrichment and a verdict out.

That they are is the claim of GeneMask (Roy et al., ECAI 2023). A motif is looked for on both strands, so a word and its
reverse complement are one observation: a pair. A pair matches a motif if it scores among the best of all pairs of its
length. The pairs that hold a top word are compared with all others of their stratum (see word_pairs), so that neither
composition nor frequency nor repetition passes for a motif.
Letters: P pairs that are compared, S strata, M motifs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import RenderableType
from scipy.stats import false_discovery_control

from genomask.commands.motifs.exact_strata import common_odds
from genomask.commands.motifs.matches import Motif, best_fraction, best_scores, log_odds, read_jaspar
from genomask.commands.motifs.word_pairs import WordPairs, canonical_words, word_pairs
from genomask.errors import SettingsError, counted
from genomask.files.atomic import atomic_write
from genomask.files.outputs import require_own, require_writable, writing
from genomask.masking.npmi import NpmiTable
from genomask.report.tables import rich_table

LEVEL = 0.05
ANY = "any motif"
ROWS_SHOWN = 20


@dataclass(frozen=True)
class Enrichment:
    """What was found."""

    table: pd.DataFrame
    """First the row ANY, then a row a motif by p: `motif, name, top_matches, expected, odds_ratio, low, high, p,
    p_adjusted`. p_adjusted is Benjamini and Hochberg's over the motifs: a file holds hundreds that share their words,
    a reader screens them, and Holm would leave a list empty that is right but for one entry in twenty. ANY is one
    question, asked first, and stands outside."""
    n: int
    top: int
    """Words asked for."""
    top_pairs: int
    alone: int
    """Of these, pairs without a background pair in their stratum: they say nothing."""
    any_fraction: float
    """ANY counts a pair that is among the best of this fraction of pairs for at least one motif."""

    @property
    def sentence(self) -> str:
        """The verdict."""
        overall, motifs = self.table.iloc[0], self.table.iloc[1:]
        real = motifs[motifs["p_adjusted"] < LEVEL]
        more, less = int((real["odds_ratio"] > 1).sum()), int((real["odds_ratio"] < 1).sum())
        claim = "were not shown to match some motif more or less often than"
        if overall["p"] < LEVEL:
            claim = f"match some motif {'more' if overall['odds_ratio'] > 1 else 'less'} often than"
        return (
            f"The {self.top} top {self.n}-mers by NPMI {claim} other words of like GC, count and repetition: "
            f"odds ratio {_odds(overall)}, p {overall['p']:.2g}. Of {len(motifs)} motifs {more} are matched "
            f"more often and {less} less often, at a false discovery rate of {LEVEL:.0%}."
        )

    @property
    def caption(self) -> str:
        """How to read the table."""
        rest = max(0, len(self.table) - 1 - ROWS_SHOWN)
        return (
            f"The {self.top} words are {self.top_pairs} pairs with their reverse complements; {self.alone} of these "
            "have no other word of their stratum to be compared with. Intervals of 95 %; p adjusted after "
            f"Benjamini and Hochberg over the motifs. For {ANY} a word counts that is among the best "
            f"{self.any_fraction:.2%} for one."
            + (f" Not shown: {counted(rest, 'more motif')}; --out writes all." if rest else "")
        )

    def shown(self) -> pd.DataFrame:
        """The first rows as read."""
        rows = self.table[: ROWS_SHOWN + 1]
        return pd.DataFrame(
            {
                "motif": rows["motif"],
                "name": rows["name"],
                "top matches": rows["top_matches"],
                "expected": [f"{x:.1f}" for x in rows["expected"]],
                "odds ratio": [_odds(row) for _, row in rows.iterrows()],
                "p": [f"{x:.2g}" for x in rows["p"]],
                "p adjusted": ["" if np.isnan(x) else f"{x:.2g}" for x in rows["p_adjusted"]],
            }
        )


def is_csv(path: Path) -> bool:
    """Whether a file begins as the table does in text."""
    with path.open("rb") as file:
        return file.readline(30).startswith(b"motif,name,top_matches,")


def tested_motifs(
    table: Path, jaspar: Path, n: int, top: int, fraction: float, out: Path | None
) -> Iterator[RenderableType]:
    """`genomask npmi motifs`: yield what to print, then write the whole result where a file is named for it."""
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
    bases = table.counts(1) + 1.0  # a base that the genome lacks still has a logarithm
    bases += bases[::-1]  # both strands are scored
    return enrichment(pairs, read_jaspar(path), bases / bases.sum(), fraction)


def enrichment(pairs: WordPairs, motifs: list[Motif], background: np.ndarray, fraction: float) -> Enrichment:
    """The same for any pairs, with the fractions (4,) of the bases."""
    canonical = canonical_words(pairs.n)
    place = np.full(len(canonical), -1)
    place[np.searchsorted(canonical, pairs.words)] = np.arange(len(pairs.words))
    nearest = np.full(len(pairs.words), np.inf)  # fraction of pairs that match as well, for the best motif of each
    matched = []
    for motif in motifs:
        matches, rank = best_fraction(best_scores(log_odds(motif, background), pairs.n)[canonical], fraction)
        is_compared = place[matches] >= 0
        matched.append(place[matches[is_compared]])
        nearest[matched[-1]] = np.minimum(nearest[matched[-1]], rank[is_compared])
    any_motif = np.flatnonzero(nearest < np.median(nearest))  # where most pairs match one, only the better half
    found = _tested(pairs, [any_motif, *matched])
    found.insert(0, "motif", [ANY, *(motif.id for motif in motifs)])
    found.insert(1, "name", ["", *(motif.name for motif in motifs)])
    found["p_adjusted"] = [np.nan, *false_discovery_control(found["p"][1:])]
    table = pd.concat([found[:1], found[1:].sort_values("p", kind="stable")], ignore_index=True)
    group, total = pairs.group_and_total()
    alone = int(group[group == total].sum())
    return Enrichment(table, pairs.n, pairs.top, int(group.sum()), alone, float(nearest[any_motif].max(initial=0)))


def _odds(row: pd.Series) -> str:
    """`2.1 [1.2, 3.5]`, or a dash where the margins leave one outcome only."""
    unknown = np.isnan(row["odds_ratio"])
    return "-" if unknown else f"{row['odds_ratio']:.3g} [{row['low']:.3g}, {row['high']:.3g}]"


def _tested(pairs: WordPairs, matched: list[np.ndarray]) -> pd.DataFrame:
    """A row for each list of matching pairs: top_matches and what the exact test says of them."""
    group, total = pairs.group_and_total()
    matches = np.array([np.bincount(pairs.stratum[at], minlength=len(total)) for at in matched])
    seen = np.array([pairs.is_top[at].sum() for at in matched])
    return pd.DataFrame({"top_matches": seen} | common_odds(seen, matches, group, total)._asdict())
