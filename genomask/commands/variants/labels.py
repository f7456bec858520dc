"""Labels of scored ALTs, gathered from INFO while a VCF streams by, and the table of how well the scores rank them."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from rich.table import Table

from genomask.commands.variants.ranking import Criterion, Ranking, ranking
from genomask.data.vcf import VcfLine, info_value
from genomask.errors import counted, quoted, shown
from genomask.inference.variants import Score
from genomask.report.tables import rich_table

FEWEST = 5
"""Fewest positives, and fewest negatives, for which a bootstrap interval is given."""
MOST_NOTICED = 8
"""Most entries or values that are named if the one asked for is missing."""
CAPTION = (
    "In brackets: 95 % intervals over 1,000 bootstrap samples of variants. Random guessing gives an AUROC of 0.5 and "
    "an AUPRC equal to the fraction of positives; above that, the model finds the positives less likely."
)


@dataclass
class Labels:
    """Label by a criterion, score and kind of every ALT that has label and score; a few bytes per ALT."""

    criterion: Criterion
    per_alt: bool = False
    labels: "array[int]" = field(default_factory=lambda: array("b"))
    llrs: "array[float]" = field(default_factory=lambda: array("d"))
    equally_long: "array[int]" = field(default_factory=lambda: array("b"))
    neither: int = 0
    """ALTs with a score and the criterion's entry, whose words are of neither kind or of both."""
    keys: set[str] = field(default_factory=set)
    """Some INFO entries of variants that lack the criterion's."""
    values: set[str] = field(default_factory=set)
    """Some values of the criterion's entry."""

    def note(self, line: VcfLine, scores: list[Score]) -> None:
        """Add a line's ALTs that have a label and a score; from the header, note whether each ALT has its own value."""
        if line.variant is None:
            if line.raw.startswith(f"##INFO=<ID={self.criterion.key},".encode()):
                self.per_alt = b"Number=A," in line.raw
            return
        self._notice(line.variant.info)
        labels = self.criterion.labels(line.variant, self.per_alt)
        has_words = self.criterion.positives and info_value(line.variant.info, self.criterion.key) is not None
        for alt, label, score in zip(line.variant.alts, labels, scores, strict=True):
            self.neither += bool(has_words and label is None and not score.reason)
            if label is not None and not score.reason:
                self.labels.append(label)
                self.llrs.append(score.llr)
                self.equally_long.append(len(alt) == len(line.variant.ref))

    def fault(self) -> str:
        """Why nothing can be ranked, if there are no positives or only positives; else ""."""
        n, positives = len(self.labels), sum(self.labels)
        if 0 < positives < n:
            return ""
        return f"--evaluate {quoted(self.criterion.text)}: {self._why(n, positives)}"

    def _why(self, n: int, positives: int) -> str:
        """What is wrong with the labels, and what to ask for instead."""
        key = self.criterion.key
        if not self.values and not self.keys:
            return "no variant has an INFO entry, or there is no variant. Give a VCF whose INFO separates them."
        if not self.values:
            return f"no variant has {key} in its INFO, which has {_some(self.keys)}. Name one of these."
        kinds = f"{positives:,} of the {n:,} ALTs that this labels are positive; both kinds are needed to rank them"
        return f"{kinds}. {key} is {_some(self.values)} in this VCF."

    def _notice(self, info: str) -> None:
        """Remember some of what could have been asked for."""
        value = info_value(info, self.criterion.key)
        if value is None and len(self.keys) < MOST_NOTICED:
            self.keys |= {entry.partition("=")[0] for entry in info.split(";") if entry != "."}
        elif value is not None and len(self.values) < MOST_NOTICED:
            self.values.add(value)

    def report(self) -> Iterator[Table | str]:
        """What was left out, AUROC and AUPRC, and what they mean.

        The areas are over all ALTs and, where both kinds of change occur, over each kind.
        """
        if self.neither:
            out = counted(self.neither, "scored ALT")
            yield f"{out} left out of the ranking: {self.criterion.key} is of neither kind, or of both."
        labels, llrs = np.array(self.labels, dtype=bool), np.array(self.llrs)
        equal = np.array(self.equally_long, dtype=bool)
        parts = {"all": np.ones(len(labels), dtype=bool)}
        if equal.any() and not equal.all():
            parts |= {"SNVs and MNVs": equal, "insertions and deletions": ~equal}
        found = {
            name: ranking(labels[part], llrs[part]) for name, part in parts.items() if 0 < sum(labels[part]) < sum(part)
        }
        rows = [_row(name, of_part) for name, of_part in found.items()]
        yield rich_table(pd.DataFrame(rows), f"Ranked by -llr: {self.criterion.text}", CAPTION)
        yield _meaning(found["all"])


def _some(texts: set[str]) -> str:
    return ", ".join(map(shown, sorted(texts)[:MOST_NOTICED])) + (" ..." if len(texts) >= MOST_NOTICED else "")


def _are_too_few(found: Ranking) -> bool:
    return min(found.positives, found.n - found.positives) < FEWEST


def _meaning(found: Ranking) -> str:
    """What the AUROC and its interval mean, in words."""
    low, high = found.auroc_interval
    if _are_too_few(found):
        return f"Too few to show whether the model separates the two kinds: at least {FEWEST} of each are needed."
    if low > 0.5:
        return "The model finds the ALTs of the positives less likely than those of the others."
    if high < 0.5:
        return (
            "The model finds the ALTs of the positives more likely than those of the others: it ranks them backwards."
        )
    return "The model is not shown to separate the two kinds: the AUROC interval contains 0.5."


def _row(name: str, found: Ranking) -> dict[str, str]:
    too_few = _are_too_few(found)
    areas = {
        "AUROC": (found.auroc, "[too few]" if too_few else _shown(found.auroc_interval)),
        "AUPRC": (found.auprc, "[too few]" if too_few else _shown(found.auprc_interval)),
    }
    return {
        "variants": name,
        "ALTs": f"{found.n:,}",
        "positive": f"{found.positives:,} ({found.positives / found.n:.1%})",
        **{area: f"{value:.3f} {interval}" for area, (value, interval) in areas.items()},
    }


def _shown(interval: tuple[float, float]) -> str:
    return "[{:.3f}, {:.3f}]".format(*interval)
