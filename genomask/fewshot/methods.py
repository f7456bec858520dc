"""The methods that few-shot measures: one table, which the command line, the protocol, arms and pictures read.

To add one, write the function that builds its scorer, and a row. Nothing heavy is imported before a scorer is built,
because the command line reads the table for its help.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from genomask.data.tasks import LabelledTask
    from genomask.fewshot.draws import Scorer
    from genomask.fewshot.finetune import FineTuneSettings
    from genomask.inference.pooling import VectorSettings


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a scorer may be built from."""

    model: "Path"
    pool: "LabelledTask"
    test: "LabelledTask"
    rows: "np.ndarray"
    """The rows of the pool that any draw takes, sorted."""
    seed: int
    """For new weights: the model's own pretraining seed."""
    vectors: "VectorSettings"
    finetune: "FineTuneSettings"
    valid: "LabelledTask | None" = None
    """Decides which epoch of fine-tuning is kept, where a suite has a validation set."""


@dataclass(frozen=True, kw_only=True)
class Method:
    """One value of the column `method`."""

    name: str
    build: "Callable[[Given, bool], Scorer]"
    """The scorer; True asks for the untrained twin."""
    cost: int
    """Rank from cheap to expensive: the order of measuring, and so of tables and pictures."""
    mark: tuple[str, Any]
    """Marker and dash of its curve, as matplotlib takes them."""
    needs_model: bool = True
    pools_vectors: bool = False
    is_drawn: bool = False
    """Does its score depend on a seed even when trained on the whole pool?"""
    is_usual: bool = True
    """Is it measured if no methods are named?"""
    twin_of: str = ""
    """The method whose floor this is: the same encoder, untrained."""

    @property
    def is_pretrained(self) -> bool:
        """Does its score belong to a masking strategy? All others are floors that need no pretraining."""
        return self.needs_model and not self.twin_of

    @property
    def asked_as(self) -> str:
        """Its word in --methods: random-init means the twins of all methods asked for."""
        return TWIN if self.twin_of else self.name

    def scorer(self, given: Given) -> "Scorer":
        """Its scorer, ready to be measured."""
        return self.build(given, bool(self.twin_of))


def _finetune(given: Given, untrained: bool) -> "Scorer":
    from genomask.fewshot.finetune import finetune_scorer

    task = given.pool, given.test
    return finetune_scorer(given.model, *task, given.finetune, seed=given.seed, untrained=untrained, valid=given.valid)


def _on_vectors(
    given: Given, untrained: bool, classifier_of: "Callable[[int, int], Any]", *, every_layer: bool = False
) -> "Scorer":
    from genomask.fewshot.probe import vector_scorer

    task = given.model, given.pool, given.test, given.vectors, given.rows
    return vector_scorer(classifier_of, *task, seed=given.seed, untrained=untrained, every_layer=every_layer)


def _probe(given: Given, untrained: bool) -> "Scorer":
    from genomask.fewshot.probe import linear

    return _on_vectors(given, untrained, linear)


def _probe_layers(given: Given, untrained: bool) -> "Scorer":
    from genomask.fewshot.probe import linear_in_layers

    return _on_vectors(given, untrained, linear_in_layers, every_layer=True)


def _knn(given: Given, untrained: bool) -> "Scorer":
    from genomask.fewshot.probe import nearest

    return _on_vectors(given, untrained, nearest)


def _kmer_logreg(given: Given, _: bool) -> "Scorer":
    from genomask.fewshot.floors import kmer_scorer

    return kmer_scorer(given.pool, given.test)


def _gc(given: Given, _: bool) -> "Scorer":
    from genomask.fewshot.floors import gc_scorer

    return gc_scorer(given.pool, given.test)


def _cnn(given: Given, _: bool) -> "Scorer":
    from genomask.fewshot.cnn import cnn_scorer

    return cnn_scorer(given.pool, given.test)


TWIN = "random-init"
ROUND, SQUARE, DIAMOND, UP, CROSS, STAR, DOWN = (
    ("o", "-"), ("s", (0, (4, 1.5))), ("D", ":"), ("^", (0, (1, 1))), ("X", "-."), ("*", (0, (6, 2, 1, 2))),
    ("v", (0, (8, 2))),
)  # fmt: skip

TABLE = (
    Method(name="finetune", build=_finetune, cost=8, mark=ROUND, is_drawn=True),
    Method(name="probe", build=_probe, cost=2, mark=SQUARE, pools_vectors=True),
    Method(name="probe-layers", build=_probe_layers, cost=4, mark=DOWN, pools_vectors=True),
    Method(name="knn", build=_knn, cost=6, mark=UP, pools_vectors=True, is_usual=False),
    Method(name="kmer-logreg", build=_kmer_logreg, cost=1, mark=DIAMOND, needs_model=False),
    Method(name="gc", build=_gc, cost=0, mark=CROSS, needs_model=False, is_usual=False),
    Method(name="cnn", build=_cnn, cost=10, mark=STAR, needs_model=False, is_drawn=True, is_usual=False),
    Method(name=f"{TWIN}/finetune", build=_finetune, cost=9, mark=ROUND, is_drawn=True, twin_of="finetune"),
    Method(name=f"{TWIN}/probe", build=_probe, cost=3, mark=SQUARE, pools_vectors=True, twin_of="probe"),
    Method(name=f"{TWIN}/probe-layers", build=_probe_layers, cost=5, mark=DOWN, pools_vectors=True,
           twin_of="probe-layers"),
    Method(name=f"{TWIN}/knn", build=_knn, cost=7, mark=UP, pools_vectors=True, twin_of="knn"),
)  # fmt: skip

METHODS = {method.name: method for method in TABLE}
"""By the values of the column `method`."""
ASKED = tuple(dict.fromkeys(method.asked_as for method in TABLE))
"""What may be asked for."""
USUAL = tuple(dict.fromkeys(method.asked_as for method in TABLE if method.is_usual))
"""What is measured if nothing is asked for."""
PRETRAINED = tuple(method.name for method in TABLE if method.is_pretrained)
WITHOUT_MODEL = tuple(method.name for method in TABLE if not method.needs_model)


def measured(asked: Iterable[str]) -> list[Method]:
    """The methods that these words ask for, cheapest first."""
    words = set(asked)
    found = [x for x in TABLE if x.asked_as in words and (not x.twin_of or x.twin_of in words)]
    return sorted(found, key=lambda method: method.cost)
