"""Did pretraining see the test? Test sequences in; those that lie in the bases a run could train on out."""

from pathlib import Path
from typing import NamedTuple

from genomask.commands.run.folder import read_config
from genomask.data.genome import Genome
from genomask.data.opening import Inputs
from genomask.data.tokenizers.saved import dna_tokenizer
from genomask.data.windows import GenomeWindows
from genomask.fewshot.leaks import Leaks, leaks_in_genome
from genomask.recipe import GenomeRecipe


def seen_in_pretraining(recipe: GenomeRecipe, inputs: Inputs, test: list[str]) -> Leaks:
    """Look the test's sequences up in the genome less the hold-out and the validation windows of the recipe's seed."""
    genome = Genome.open(inputs.genome, ambiguous=inputs.ambiguous)
    windows = GenomeWindows(genome, recipe.windows, dna_tokenizer(recipe.tokens), recipe.training.seed)
    return leaks_in_genome(test, genome.codes, windows.training)


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
    if not isinstance(recipe, GenomeRecipe):
        return Lookup("This model was pretrained on text, which holds no test sequences.")
    missing = [path for path in inputs.genome if not Path(path).exists()]
    if missing:
        why = "is not there any more"
        if not Path(missing[0]).is_absolute():  # as earlier versions saved them
            why = "was named from the folder where the run was started; call this from there"
        return Lookup(f"{missing[0]} {why}, so test sequences in the pretraining genome were not looked for.")
    if recipe.tokens.folder and not Path(recipe.tokens.folder).is_dir():
        return Lookup(
            f"{recipe.tokens.folder}, the tokenizer of the run, is not there any more, so test sequences in the "
            "pretraining genome were not looked for."
        )
    leaks = seen_in_pretraining(recipe, inputs, test)
    return Lookup(leaks.sentence("the bases that pretraining could see"), leaks)
