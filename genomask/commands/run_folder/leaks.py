"""Did pretraining see the test? Test sequences in; those that lie in the bases a run could train on out."""

from pathlib import Path
from typing import NamedTuple

from genomask.commands.run_folder.folder import read_config
from genomask.data.sources import TrainingBases
from genomask.fewshot.leaks import Leaks, leaks_in_genome


def seen_in_pretraining(bases: TrainingBases, test: list[str]) -> Leaks:
    """Look the test's sequences up in the bases that a run could train on."""
    return leaks_in_genome(test, bases.codes, bases.intervals)


class Lookup(NamedTuple):
    """What there is to say of a model and a test."""

    sentence: str
    leaks: Leaks | None = None
    """None where nothing could be looked up."""


def seen_by_model(model: Path, test: list[str]) -> Lookup:
    """What a model folder's pretraining could see of a test, or why that is not known."""
    if not (model.parent / "config.toml").exists():
        return Lookup(
            "What this model was pretrained on is not known here, so test sequences in it were not looked for."
        )
    recipe, inputs = read_config(model.parent)
    if lost := recipe.lost(inputs):
        return Lookup(f"{lost}, so test sequences in the pretraining genome were not looked for.")
    bases = recipe.training_bases(inputs)
    if bases is None:
        return Lookup("This model was pretrained on text, which holds no test sequences.")
    leaks = seen_in_pretraining(bases, test)
    return Lookup(leaks.sentence("the bases that pretraining could see"), leaks)
