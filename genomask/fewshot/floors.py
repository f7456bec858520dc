"""The floors that need no encoder: logistic regression on k-mer counts or on composition and length, and a guess.

In: sequences. Out, for `kmer-logreg`: the square roots of each sequence's 3-, 4- and 5-mer counts, each block of unit
length, and, where all sequences are equally long, one-hot bases divided by the root of the length. For `gc`: fractions
of G and C, of G among these, and of A among A and T, and the logarithm of the length.

Letters: N sequences, F features.
"""

from typing import NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from genomask.data.bases import base_codes
from genomask.data.tasks import LabelledTask
from genomask.errors import shown
from genomask.fewshot.draws import Scorer

KMER_SIZES = (3, 4, 5)
SEQUENCES_AT_ONCE = 4096


class Guess(NamedTuple):
    """The commonest class of a test, and the accuracy of always guessing it."""

    name: str
    accuracy: float


def commonest(test: LabelledTask) -> Guess:
    """The best guess for a test without reading any sequence."""
    counts = np.bincount(test.labels)
    return Guess(shown(test.classes[int(counts.argmax())]), float(counts.max() / counts.sum()))


def kmer_scorer(pool: LabelledTask, test: LabelledTask) -> Scorer:
    """`kmer-logreg`: fits the drawn examples, returns probabilities for the test sequences."""
    one_hot = len({len(sequence) for task in (pool, test) for sequence in task.sequences}) == 1
    test_features = kmer_features(test.sequences, one_hot)

    def scorer(rows: np.ndarray, shot: int, draw: int) -> np.ndarray:
        features = kmer_features([pool.sequences[row] for row in rows], one_hot)
        classifier = LogisticRegression(C=10, max_iter=400).fit(features, pool.labels[rows])
        probabilities: np.ndarray = classifier.predict_proba(test_features)
        return probabilities

    return scorer


def gc_scorer(pool: LabelledTask, test: LabelledTask) -> Scorer:
    """`gc`: what composition and length alone reveal; features standardised on the drawn examples."""
    pool_features, test_features = composition(pool.sequences), composition(test.sequences)

    def scorer(rows: np.ndarray, shot: int, draw: int) -> np.ndarray:
        classifier = make_pipeline(StandardScaler(), LogisticRegression(C=1))
        classifier.fit(pool_features[rows], pool.labels[rows])
        probabilities: np.ndarray = classifier.predict_proba(test_features)
        return probabilities

    return scorer


def composition(sequences: list[str]) -> np.ndarray:
    """(N, 4) float64: fraction of G and C, of G in these, of A in A and T, ln length; an empty fraction is 0.5."""
    counts = np.array([[sequence.count(base) for base in "ACGT"] for sequence in sequences], dtype=np.float64)
    a, c, g, t = counts.T
    fractions = [_fraction(g + c, a + t), _fraction(g, c), _fraction(a, t)]
    return np.stack([*fractions, np.log([len(sequence) for sequence in sequences])], axis=1)


def _fraction(part: np.ndarray, rest: np.ndarray) -> np.ndarray:
    whole = part + rest
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1), 0.5)


def kmer_features(sequences: list[str], one_hot: bool) -> np.ndarray:
    """(N, F) float64 features; `one_hot` adds the bases by position and needs sequences of one length."""
    n_features = sum(4**k for k in KMER_SIZES) + (4 * len(sequences[0]) if one_hot else 0)
    features = np.empty((len(sequences), n_features))  # filled part by part: joining parts would take twice the memory
    for at in range(0, len(sequences), SEQUENCES_AT_ONCE):
        features[at : at + SEQUENCES_AT_ONCE] = _features(sequences[at : at + SEQUENCES_AT_ONCE], one_hot)
    return features


def _features(sequences: list[str], one_hot: bool) -> np.ndarray:
    codes = base_codes("".join(sequences)).astype(np.int64)
    owner = np.repeat(np.arange(len(sequences)), [len(sequence) for sequence in sequences])
    blocks = [_unit_rows(np.sqrt(_counts(codes, owner, len(sequences), k))) for k in KMER_SIZES]
    if one_hot:
        length = len(sequences[0])
        bases = codes.reshape(len(sequences), length)
        blocks.append((bases[:, :, None] == np.arange(4)).reshape(len(sequences), -1) / np.sqrt(length))
    return np.concatenate(blocks, axis=1)


def _counts(codes: np.ndarray, owner: np.ndarray, n_sequences: int, k: int) -> np.ndarray:
    """(N, 4**k) counts of the k-mers of A, C, G, T that lie within one sequence."""
    n_starts = max(len(codes) - k + 1, 0)
    kmer = np.zeros(n_starts, dtype=np.int64)
    inside = owner[:n_starts] == owner[k - 1 :]
    for offset in range(k):
        base = codes[offset : offset + n_starts]
        kmer = kmer * 4 + (base & 3)
        inside &= base < 4
    cells = np.bincount(owner[:n_starts][inside] * 4**k + kmer[inside], minlength=n_sequences * 4**k)
    return cells.reshape(n_sequences, 4**k)


def _unit_rows(block: np.ndarray) -> np.ndarray:
    """Rows scaled to unit L2 norm; a row of zeros (a sequence with no such k-mer) stays zero."""
    norm = np.linalg.norm(block, axis=1, keepdims=True)
    return block / np.where(norm > 0, norm, 1)
