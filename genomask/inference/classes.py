"""What a classifier predicts: its logits in, labels and the figures beside them out.

Letters: B sequences, C classes.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

AT_LEAST = 0.5
"""Probability from which a class of a multi-label classifier is one of the labels."""


@dataclass(frozen=True)
class Said:
    """Predictions for B sequences."""

    labels: list[str]
    """The likeliest class; if multi-label, those of at least AT_LEAST, joined by ;. For regression: the value."""
    figures: np.ndarray
    """(B, C) float64: a probability per class, adding up to 1 unless labels can be several; (B, 0) for regression."""


def class_names(model: PreTrainedModel) -> list[str]:
    """The labels of a classifier's columns of figures; none for regression, which has no classes."""
    if problem(model) == "regression":
        return []
    config: Any = model.config  # whose types allow more than from_pretrained leaves
    return [" ".join(str(config.id2label[number]).split()) for number in range(config.num_labels)]


def problem(model: PreTrainedModel) -> str:
    """The config's problem_type; where it has none, regression for one output, as in transformers."""
    usual = "regression" if model.config.num_labels == 1 else "single_label_classification"
    return model.config.problem_type or usual


def read_out(model: PreTrainedModel, strands: list[Tensor]) -> Said:
    """Labels from the logits (B, C) of each strand that was read, averaged as probabilities (regression: as values)."""
    kind, names = problem(model), class_names(model)
    if kind == "regression":  # nine digits distinguish any two float32 numbers
        values = torch.stack(strands).mean(dim=0).numpy()
        return Said([";".join(f"{x:.9g}" for x in row) for row in values.tolist()], np.zeros((len(values), 0)))
    several = kind == "multi_label_classification"
    probabilities = [x.sigmoid() if several else x.softmax(dim=1) for x in strands]
    figures = torch.stack(probabilities).mean(dim=0).numpy()
    if several:
        labels = [";".join(name for name, x in zip(names, row, strict=True) if x >= AT_LEAST) for row in figures]
    else:
        labels = [names[number] for number in figures.argmax(axis=1)]
    return Said(labels, figures)
