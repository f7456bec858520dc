"""GLUE's metrics, and its floors, which need no model: the commonest answer, and a bag of words.

Letters: N examples.
"""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.sparse import csr_matrix, hstack
from scipy.stats import pearsonr, spearmanr
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

from genomask.data.examples import NUMBER, Examples
from genomask.data.reading import PAIR

Metric = Callable[[np.ndarray, np.ndarray], float]


def _correlation(of: Callable[..., object]) -> Metric:
    """A correlation as a metric; 0 where one side is constant, as with the commonest answer."""

    def metric(truth: np.ndarray, said: np.ndarray) -> float:
        return float(of(truth, said).statistic) if np.ptp(truth) > 0 and np.ptp(said) > 0 else 0.0  # type: ignore[attr-defined]

    return metric


METRICS: dict[str, Metric] = {
    "accuracy": lambda truth, said: float(accuracy_score(truth, said)),
    "f1": lambda truth, said: float(f1_score(truth, said, zero_division=0.0)),
    "mcc": lambda truth, said: float(matthews_corrcoef(truth, said)),
    "pearson": _correlation(pearsonr),
    "spearman": _correlation(spearmanr),
}
"""Each takes truth (N,) and answers (N,), class indices or numbers; f1 is that of class 1. Fractions of 1."""


def truth_of(examples: Examples) -> np.ndarray:
    """(N,) class indices, or numbers."""
    return examples.targets.reshape(len(examples.sequences))


def majority(train: Examples, dev: Sequence[Examples]) -> list[np.ndarray]:
    """The commonest class of the training examples, or their mean, for each example of each split."""
    targets = truth_of(train)
    answer = targets.mean() if train.problem == NUMBER else np.bincount(targets).argmax()
    return [np.full(len(examples.sequences), answer) for examples in dev]


def bag_of_words(train: Examples, dev: Sequence[Examples]) -> list[np.ndarray]:
    """Answers from TF-IDF of words and word pairs; a text pair gives each text's, their products and differences.

    Where no word is in two training texts, the commonest answer.
    """
    words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    try:
        words.fit([text for sequence in train.sequences for text in sequence.split(PAIR)])
    except ValueError:  # raised if no word is left; texts have no other fault
        return majority(train, dev)

    def features(examples: Examples) -> csr_matrix:
        first, *second = (
            words.transform(texts) for texts in zip(*(x.split(PAIR) for x in examples.sequences), strict=True)
        )
        if not second:
            return first
        shared = first.multiply(second[0])
        return hstack([first, second[0], shared, abs(first - second[0]), csr_matrix(shared.sum(axis=1))]).tocsr()

    fitted = (Ridge() if train.problem == NUMBER else LogisticRegression(C=10, max_iter=300)).fit(
        features(train), truth_of(train)
    )
    return [fitted.predict(features(examples)) for examples in dev]


FLOORS = {"majority": majority, "bag-of-words": bag_of_words}
