"""Did pretraining see the test? Test sequences in; those that lie in the bases a run could train on, out."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from genomask.commands.run_folder.folder import read_config, read_origin, run_of
from genomask.data.sources import TrainingBases
from genomask.fewshot.leaks import Leaks, leaks_in_genome


def seen_in_pretraining(bases: TrainingBases, test: list[str]) -> Leaks:
    """Look the test's sequences up in the bases that a run could train on."""
    return leaks_in_genome(test, bases.codes, bases.intervals)


class Lookup(NamedTuple):
    """What is known of a model and a test."""

    sentence: str
    leaks: Leaks | None = None
    """None if nothing could be looked up."""


def seen_by_model(model: Path, test: list[str]) -> Lookup:
    """What a model folder's pretraining could see of a test, or why that is not known.

    For a run that continued from another model (--from), what that model could see counts too.
    """
    run = run_of(model)
    if run is None:
        return Lookup("This model's pretraining data are unknown here, so they were not searched for test sequences.")
    seen = _seen_by_run(run, test)
    origin = read_origin(run)
    if origin is None:
        return seen
    if not origin.is_there:
        before = Lookup("it is gone, so its pretraining data were not searched for test sequences.")
    else:
        before = seen_by_model(Path(origin.folder), test)
    found = [lookup.leaks for lookup in (seen, before) if lookup.leaks is not None]
    leaks = Leaks(*map(np.logical_or.reduce, zip(*found, strict=True))) if found else None
    return Lookup(f"{seen.sentence} It continued from {origin.folder}: {before.sentence}", leaks)


def _seen_by_run(run: Path, test: list[str]) -> Lookup:
    """The same for the run's own training data."""
    recipe, inputs = read_config(run)
    if lost := recipe.lost(inputs):
        return Lookup(f"{lost}, so the pretraining genome was not searched for test sequences.")
    bases = recipe.training_bases(inputs)
    if bases is None:
        return Lookup("This model was pretrained on text, which holds no test sequences.")
    leaks = seen_in_pretraining(bases, test)
    return Lookup(leaks.sentence("the bases that pretraining could see"), leaks)
