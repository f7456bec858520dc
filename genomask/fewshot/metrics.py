"""Scores of predicted class probabilities: accuracy, f1_macro, mcc, auroc, auprc.

Binary tasks: the positive class is class 1. More classes: auroc and auprc are the plain mean of one class against the
rest, over the classes that the test set has.

Letters: N test sequences, C classes.
"""

from collections.abc import Callable

import numpy as np
from sklearn.metrics import accuracy_score, average_precision_score, f1_score, matthews_corrcoef, roc_auc_score

METRICS = ("accuracy", "f1_macro", "mcc", "auroc", "auprc")


def score(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """The five scores of probabilities (N, C) against labels (N,); fractions of 1, not per cent."""
    predicted = probabilities.argmax(axis=1)
    return {
        "accuracy": float(accuracy_score(labels, predicted)),
        "f1_macro": float(f1_score(labels, predicted, average="macro", zero_division=0.0)),
        "mcc": float(matthews_corrcoef(labels, predicted)),
        "auroc": _one_against_rest(roc_auc_score, labels, probabilities),
        "auprc": _one_against_rest(average_precision_score, labels, probabilities),
    }


def _one_against_rest(metric: Callable[..., float], labels: np.ndarray, probabilities: np.ndarray) -> float:
    """A ranking metric of class 1 (two classes) or its mean over the classes present (more); NaN for a single class."""
    present = np.unique(labels)
    if len(present) < 2:
        return float("nan")
    positives = [1] if probabilities.shape[1] == 2 else present.tolist()
    return float(np.mean([metric(labels == label, probabilities[:, label]) for label in positives]))
