"""Recipes: the settings of every room in one TOML file, read strictly and written back in full.

A recipe is a name from genomask/recipes or a path; `--set table.key=value` changes single values.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, get_type_hints

from transformers import PreTrainedTokenizerBase

from genomask.data.growth import Growth
from genomask.data.opening import Inputs, open_genome, open_text
from genomask.data.settings import DnaTokenSettings, DocumentSettings, WordPieceSettings
from genomask.data.sources import GenomeSource, Source, TrainingBases
from genomask.data.tokenizers.wordpiece import VOCABULARY, write_vocabulary
from genomask.data.windows import WindowSettings
from genomask.encoders.positions import POSITIONS
from genomask.encoders.settings import EncoderSettings
from genomask.errors import SettingsError
from genomask.machine.threads import workers_for
from genomask.masking.settings import MaskSettings
from genomask.settings.ranges import shown
from genomask.settings.recipe_file import kind_of, read_tables
from genomask.settings.spelling import did_you_mean
from genomask.settings.table import checked, kinds
from genomask.training.optimizer import OptimizerSettings
from genomask.training.settings import EvaluationSettings, TrainingSettings


@dataclass(frozen=True, kw_only=True)
class GenomeRecipe:
    """Pretraining on a genome."""

    tokens: DnaTokenSettings
    windows: WindowSettings
    masking: MaskSettings
    encoder: EncoderSettings
    optimizer: OptimizerSettings
    training: TrainingSettings
    evaluation: EvaluationSettings

    kind = "genome"
    of = "DNA"
    tags = ("dna", "genomics")

    def __post_init__(self) -> None:
        _require_room(self, self.longest, "windows.max_tokens with [CLS] and [SEP]")
        steps = sum(steps for steps, _ in self.windows.length_warmup)
        if steps >= self.training.steps:
            raise SettingsError(
                f"windows.length_warmup lasts {steps:,} steps and training.steps = {self.training.steps:,}, so no "
                "window would reach windows.max_tokens; let it last fewer steps, or train longer."
            )

    @property
    def longest(self) -> int:
        """Tokens of the longest training sequence."""
        return self.windows.max_tokens + 2

    @property
    def growth(self) -> Growth | None:
        """How the windows grow over the steps; None where they do not."""
        return self.windows.growth(self.training.sequences_per_step)

    def open_source(self, inputs: Inputs, out: Path) -> GenomeSource:
        """What a run on `inputs` in the folder `out` trains on."""
        return open_genome(inputs, self.tokens, self.windows, self.training.seed, self.growth)

    def keep_tokens(self, tokenizer: PreTrainedTokenizerBase, out: Path) -> None:
        """Nothing to keep: the settings define k-mers in full, or name the folder of other tokens."""

    def token_words(self, n_tokens: int) -> str:
        """What the tokens are, in words."""
        return self.tokens.words

    @property
    def masked_unit(self) -> str:
        """What a mask hides; it decides which evidence on strategies applies."""
        return "overlapping tokens" if self.tokens.overlapping else "tokens end to end"

    def absolute(self) -> "GenomeRecipe":
        """The same files by absolute paths, so that they are found from any folder."""
        folder = os.path.abspath(self.tokens.folder) if self.tokens.folder else ""
        return replace(self, tokens=replace(self.tokens, folder=folder), windows=self.windows.absolute())

    def lost(self, inputs: Inputs) -> str:
        """Which input file or folder of a run is missing, in words; "" where none is."""
        missing = [path for path in inputs.genome if not Path(path).exists()]
        if missing and not Path(missing[0]).is_absolute():  # as earlier versions saved them
            return f"{missing[0]} is relative to the folder where the run was started (run this command there)"
        if missing:
            return f"{missing[0]} no longer exists"
        if self.tokens.folder and not Path(self.tokens.folder).is_dir():
            return f"{self.tokens.folder}, the tokenizer of the run, no longer exists"
        if self.windows.lost:
            return f"{self.windows.lost}, which defines the run's windows, no longer exists"
        return ""

    def training_bases(self, inputs: Inputs) -> TrainingBases:
        """The bases that a run on `inputs` could see: without the hold-out and the validation windows of its seed."""
        return self.open_source(inputs, Path()).training_bases


@dataclass(frozen=True, kw_only=True)
class TextRecipe:
    """Pretraining on text."""

    tokens: WordPieceSettings
    documents: DocumentSettings
    masking: MaskSettings
    encoder: EncoderSettings
    optimizer: OptimizerSettings
    training: TrainingSettings
    evaluation: EvaluationSettings

    kind = "text"
    of = "text"
    tags = ("text",)
    growth = None
    masked_unit = "word pieces"

    def __post_init__(self) -> None:
        _require_room(self, self.longest, "documents.max_tokens")

    @property
    def longest(self) -> int:
        """Tokens of the longest training sequence."""
        return self.documents.max_tokens

    def open_source(self, inputs: Inputs, out: Path) -> Source:
        """What a run on `inputs` in the folder `out` trains on."""
        training = self.training
        size, workers = training.sequences_per_step, workers_for(training.workers)
        return open_text(
            inputs, self.tokens, self.documents, training.seed, out, sequences_per_step=size, workers=workers
        )

    def keep_tokens(self, tokenizer: PreTrainedTokenizerBase, out: Path) -> None:
        """Keep the vocabulary in the run's folder, so that it goes on with the same one."""
        write_vocabulary(tokenizer.get_vocab(), out / VOCABULARY)

    def token_words(self, n_tokens: int) -> str:
        """What the tokens are, in words."""
        return f"{n_tokens:,} word pieces"

    def absolute(self) -> "TextRecipe":
        """The same: the vocabulary is kept in the run's folder."""
        return self

    def lost(self, inputs: Inputs) -> str:
        """Nothing: a corpus is not needed once it has been read."""
        return ""

    def training_bases(self, inputs: Inputs) -> None:
        """None."""


def _require_room(recipe: "Recipe", longest: int, what: str) -> None:
    """A sequence is never cut, so the longest must fit into a microbatch and into learned positions."""
    room = {}
    if recipe.training.tokens_per_microbatch:  # else as many as fit
        room["training.tokens_per_microbatch"] = recipe.training.tokens_per_microbatch
    if POSITIONS[recipe.encoder.positions].learned:
        room["encoder.max_position_embeddings"] = recipe.encoder.max_position_embeddings
    for name, tokens in room.items():
        if tokens < longest:
            raise SettingsError(
                f"{name} = {tokens} is less than one sequence ({what}: {longest} tokens); set it to {longest} or more."
            )


LEAST_TIMES = {("training", "log_every"): 20, ("training", "checkpoint_every"): 5, ("evaluation", "every"): 5}
"""How many times each happens at least in a run whose recipe does not set its interval."""

Recipe = GenomeRecipe | TextRecipe
RECIPES: dict[str, type[Recipe]] = {"genome": GenomeRecipe, "text": TextRecipe}


def load_recipe(name: str | Path, changes: Sequence[str] = ()) -> Recipe:
    """Read a recipe by name or path and apply changes such as 'training.steps=60'.

    Raises SettingsError for a recipe, table or key that does not exist and for values out of range.
    """
    return recipe_from_tables(read_tables(name, changes), str(name))


def recipe_from_tables(tables: Mapping[str, Any], where: str) -> Recipe:
    """Build the recipe that `tables` describe; `where` names them in messages."""
    made = RECIPES[kind_of(tables, where)]
    rooms = get_type_hints(made)
    _refuse_unknown(tables.keys() - {"kind"}, rooms, f"recipe {where}", "table")
    recipe = made(**{room: _settings(cls, tables.get(room, {}), room) for room, cls in rooms.items()})
    return _paced(recipe, tables)


def recipe_to_toml(recipe: Recipe) -> str:
    """The recipe in full, every default written out."""
    lines = [f'kind = "{recipe.kind}"']
    for room in fields(recipe):
        settings = getattr(recipe, room.name)
        lines += ["", f"[{room.name}]"]
        lines += [f"{field.name} = {toml_value(getattr(settings, field.name))}" for field in fields(settings)]
    return "\n".join(lines) + "\n"


def toml_value(value: str | float | bool | Sequence[Any]) -> str:
    """A TOML value: strings, numbers, booleans and lists are written as in JSON."""
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)


def _paced(recipe: Recipe, tables: Mapping[str, Any]) -> Recipe:
    """Set how often to log, evaluate and save where the tables do not: the default, more often in a short run."""
    for (room, key), times in LEAST_TIMES.items():
        if key not in tables.get(room, {}):
            settings = getattr(recipe, room)
            every = min(getattr(settings, key), max(1, recipe.training.steps // times))
            recipe = replace(recipe, **{room: replace(settings, **{key: every})})
    return recipe


def _settings(cls: type, values: Any, room: str) -> Any:
    if not isinstance(values, dict):
        raise SettingsError(f"recipe: {room} must be a table, got {shown(values)}")
    known = kinds(cls)
    _refuse_unknown(values.keys(), known, f"recipe table [{room}]", "key")
    return cls(**{key: checked(value, known[key], f"{room}.{key}") for key, value in values.items()})


def _refuse_unknown(given: Iterable[str], known: Mapping[str, Any], where: str, what: str) -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise SettingsError(
            f"{where} has no {what} {shown(unknown[0])}; known: {', '.join(known)}.{did_you_mean(unknown[0], known)}"
        )
