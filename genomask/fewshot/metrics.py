"""Scores of predicted class probabilities: accuracy, f1_macro, mcc, auroc, auprc; and of predicted numbers.

In binary tasks the positive class is class 1. With more classes, auroc and auprc are the plain mean of one class
against the rest, over the classes in the test set; f1_macro is always the mean over these.

Letters: N test sequences, C classes.
"""

from collections.abc import Callable

import numpy as np
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import accuracy_score, average_precision_score, f1_score, matthews_corrcoef, roc_auc_score

from genomask.inference.classes import AT_LEAST

METRICS = ("accuracy", "f1_macro", "mcc", "auroc", "auprc")


def score(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """The five scores of probabilities (N, C) against labels (N,); fractions of 1, not per cent."""
    predicted = probabilities.argmax(axis=1)
    return {
        "accuracy": float(accuracy_score(labels, predicted)),
        "f1_macro": float(f1_score(labels, predicted, labels=np.unique(labels), average="macro", zero_division=0.0)),
        "mcc": _mcc(labels, predicted),
        "auroc": _one_against_rest(roc_auc_score, labels, probabilities),
        "auprc": _one_against_rest(average_precision_score, labels, probabilities),
    }


def score_labels(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """The five scores of several labels per sequence: 0 and 1 (N, C) against probabilities (N, C).

    Accuracy is the fraction of sequences with every label right, as in scikit-learn. The others are the plain mean
    over labels: mcc over all; auroc and auprc over those that some sequences have and some lack.
    """
    predicted = probabilities >= AT_LEAST
    columns = list(zip(labels.T, probabilities.T, strict=True))
    told_apart = [(truth, found) for truth, found in columns if len(np.unique(truth)) == 2]
    ranked = {"auroc": roc_auc_score, "auprc": average_precision_score}
    return {
        "accuracy": float((predicted == labels.astype(bool)).all(axis=1).mean()),
        "f1_macro": float(f1_score(labels, predicted, average="macro", zero_division=0.0)),
        "mcc": float(np.mean([_mcc(truth, found >= AT_LEAST) for truth, found in columns])),
        **{
            name: float(np.mean([metric(*column) for column in told_apart])) if told_apart else float("nan")
            for name, metric in ranked.items()
        },
    }


def score_numbers(targets: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Pearson's and Spearman's correlation of numbers (N,), NaN where one side is constant, and mean squared error."""
    varies = len(np.unique(targets)) > 1 and len(np.unique(predicted)) > 1
    return {
        "pearson": float(pearsonr(targets, predicted).statistic) if varies else float("nan"),
        "spearman": float(spearmanr(targets, predicted).statistic) if varies else float("nan"),
        "mse": float(np.mean((targets - predicted) ** 2)),
    }


def _mcc(labels: np.ndarray, predicted: np.ndarray) -> float:
    """0 where there is only one class, about which scikit-learn warns."""
    if len(np.union1d(labels, predicted)) == 1:
        return 0.0
    return float(matthews_corrcoef(labels, predicted))


def _one_against_rest(metric: Callable[..., float], labels: np.ndarray, probabilities: np.ndarray) -> float:
    """A ranking metric of class 1 (two classes) or its mean over the classes present (more); NaN for a single class."""
    present = np.unique(labels)
    if len(present) < 2:
        return float("nan")
    positives = [1] if probabilities.shape[1] == 2 else present.tolist()
    return float(np.mean([metric(labels == label, probabilities[:, label]) for label in positives]))
