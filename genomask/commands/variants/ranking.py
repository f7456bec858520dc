"""Do the scores separate variants as a label does? A criterion on INFO in, AUROC and AUPRC out.

Variants are ranked by -llr: an AUROC above 0.5 means that the model finds the positives' ALTs less likely.

Letters: N scored ALTs that have a label.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from genomask.data.vcf import Variant, info_value
from genomask.errors import SettingsError, shown

RESAMPLES = 1000
WRITTEN = re.compile(r"([\w.]+)\s*([=<>])\s*(.+)")


@dataclass(frozen=True)
class Criterion:
    """Which ALTs are positive: by words of an INFO entry, or by a bound on a number in it."""

    text: str
    key: str
    positives: frozenset[str]
    negatives: frozenset[str]
    """Empty: all that have the entry and are not positive."""
    below: float
    above: float
    """A number is positive if it is less than `below` or more than `above`; NaN: no such bound."""

    @classmethod
    def parse(cls, text: str) -> "Criterion":
        """KEY=A,B (against the others), KEY=A,B:C,D (against C and D), KEY<NUMBER or KEY>NUMBER; else SettingsError."""
        found = WRITTEN.fullmatch(text.strip())
        nothing: frozenset[str] = frozenset()
        if found and found[2] == "=":
            chosen, _, others = found[3].partition(":")
            positives, negatives = _words(chosen), _words(others)
            if positives and not positives & negatives:
                return cls(text, found[1], positives, negatives, np.nan, np.nan)
        elif found and _number(found[3]) is not None:
            bound = float(found[3])
            below, above = (bound, np.nan) if found[2] == "<" else (np.nan, bound)
            return cls(text, found[1], nothing, nothing, below, above)
        raise SettingsError(
            f"--evaluate takes KEY=WORD,WORD or KEY=WORD:WORD or KEY<NUMBER or KEY>NUMBER, where KEY is an INFO entry, "
            f"such as CLNSIG=Pathogenic,Likely_pathogenic or 'AF<0.01'; got {shown(text)}."
        )

    def labels(self, variant: Variant, per_alt: bool) -> list[bool | None]:
        """The label of each ALT, None without one; `per_alt`: the header declares one value per ALT."""
        value = info_value(variant.info, self.key)
        if value is None:
            return [None] * len(variant.alts)
        values = value.split(",")
        if len(values) == len(variant.alts) and (per_alt or not self.positives):
            return [self._label([each]) for each in values]
        return [None if per_alt else self._label(values)] * len(variant.alts)

    def _label(self, values: list[str]) -> bool | None:
        if self.positives:
            words = _words(",".join(values))
            is_positive, is_negative = bool(words & self.positives), bool(words & self.negatives)
            if not self.negatives:
                return is_positive
            return is_positive if is_positive != is_negative else None
        numbers = [number for number in map(_number, values) if number is not None]
        return any(number < self.below or number > self.above for number in numbers) if numbers else None


class Ranking(NamedTuple):
    """Areas under the curves with their 95 % bootstrap intervals (low, high), over N variants."""

    n: int
    positives: int
    auroc: float
    auroc_interval: tuple[float, float]
    auprc: float
    auprc_interval: tuple[float, float]


def ranking(labels: np.ndarray, llrs: np.ndarray, seed: int = 0) -> Ranking:
    """How well -llr (N,) ranks the positives (N,) bool, some but not all, above the others.

    The intervals are percentiles over 1,000 samples of N variants, drawn with replacement.
    """
    order = np.argsort(llrs, kind="stable")
    positive, ranked = labels[order].astype(np.float64), llrs[order]
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))  # variants of equal score share a rank
    n, rng = len(order), np.random.default_rng(seed)
    areas = _areas(positive, np.ones(n), ends)
    samples = (np.bincount(rng.integers(0, n, n), minlength=n).astype(np.float64) for _ in range(RESAMPLES))
    resampled = np.array([_areas(positive, weights, ends) for weights in samples])
    low, high = np.nanpercentile(resampled, (2.5, 97.5), axis=0)
    intervals = [(float(a), float(b)) for a, b in zip(low, high, strict=True)]
    return Ranking(n, int(labels.sum()), areas[0], intervals[0], areas[1], intervals[1])


def _areas(positive: np.ndarray, weights: np.ndarray, ends: np.ndarray) -> tuple[float, float]:
    """AUROC and average precision, as scikit-learn defines them, of variants in ranked order; NaN for one class."""
    true = np.cumsum(weights * positive)[ends]
    false = np.cumsum(weights)[ends] - true
    if not true[-1] or not false[-1]:
        return float("nan"), float("nan")
    gained = np.diff(true, prepend=0)
    auroc = (np.diff(false, prepend=0) * (true - gained / 2)).sum() / (true[-1] * false[-1])
    precision = true / np.maximum(true + false, 1)
    return float(auroc), float((gained * precision).sum() / true[-1])


def _words(text: str) -> frozenset[str]:
    """The words of a value, or of the criterion: ClinVar joins several by ',', '/' and '|'."""
    return frozenset(word.strip().lower() for word in re.split("[,/|]", text) if word.strip())


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return None if np.isnan(number) else number
