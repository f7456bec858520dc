"""The model that a continued run starts from: its folder in; its shape, tokens and weights out.

config.toml records it under [from], so that the run no longer needs the folder once it has a checkpoint.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from genomask.data.settings import DnaTokenSettings
from genomask.data.tokenizers.base import DnaTokenizer
from genomask.data.tokenizers.kmer import KmerTokenizer
from genomask.data.tokenizers.saved import TOKENIZER_FILES, as_dna, dna_tokenizer, open_tokenizer
from genomask.data.tokenizers.vocabularies import vocabulary_of_tokenizer
from genomask.data.tokenizers.wordpiece import wordpiece_tokenizer
from genomask.encoders import MosaicBertConfig, MosaicBertForMaskedLM
from genomask.encoders.settings import EncoderSettings
from genomask.errors import SettingsError, UserError
from genomask.inference.hub import open_as_ours
from genomask.inference.models import fingerprint
from genomask.recipe import toml_value

SHAPE = ("num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size", "positions", "mlp",
         "stem_width")  # fmt: skip
"""Settings of [encoder] that the weights fix, as they do the number of learned positions and a stem's channels."""
BESIDE = ("vocab_size", "type_vocab_size", "layer_norm_eps", "pad_token_id")
"""What they fix besides, which no recipe sets."""


@dataclass(frozen=True)
class Origin:
    """A model that pretraining continues from."""

    folder: str
    fingerprint: str
    """Of its config and weights."""
    encoder: Mapping[str, Any]
    """Its values for a recipe's [encoder]."""
    tokens: Mapping[str, Any]
    """The same for [tokens]; empty if no tokenizer came with it."""
    beside: Mapping[str, Any]
    """Values of its config that no recipe sets."""

    @property
    def words(self) -> str:
        """For the log, the environment and the model's card."""
        return f"{self.folder} (fingerprint {self.fingerprint})"

    @property
    def is_there(self) -> bool:
        """Whether its folder still holds these weights."""
        try:
            return fingerprint(Path(self.folder)) == self.fingerprint
        except UserError:
            return False

    def config(self, settings: EncoderSettings) -> MosaicBertConfig:
        """The model's configuration; dropout and how it is computed come from `settings`."""
        return MosaicBertConfig(**{**asdict(settings), **self.encoder, **self.beside})

    def model(self, config: MosaicBertConfig) -> MosaicBertForMaskedLM:
        """The model, in float32. Raises UserError if its weights are gone or have changed."""
        folder = Path(self.folder)
        if not self.is_there:
            raise SettingsError(
                f"{folder} no longer holds the weights that this run starts from, and there is no checkpoint yet; "
                "restore the weights, or give another --out and --from."
            )
        model = MosaicBertForMaskedLM(config)
        model.load_state_dict(open_as_ours(folder).state_dict())  # copying turns half precision into float32
        return model

    def require_vocabulary(self, n_tokens: int, *, of_kmers: bool) -> None:
        """Raises SettingsError for more tokens than the model has vectors or, with k-mers, for any other number."""
        rows = self.beside["vocab_size"]
        if n_tokens > rows or (of_kmers and n_tokens != rows):
            raise SettingsError(
                f"{self.folder} has vectors for {rows:,} tokens, but the recipe has {n_tokens:,}; set "
                "tokens.k, tokens.folder or tokens.vocabulary to what that model was trained with."
            )


def read_model(folder: Path, kind: str) -> Origin:
    """The model in `folder` (ours, BERT's or MosaicBERT's) for a run of that kind ("genome" or "text").

    Raises UserError for what cannot be opened, and for a tokenizer that such a run cannot train with.
    """
    config = open_as_ours(folder).config
    shape = {name: getattr(config, name) for name in SHAPE}
    if config.positions == "learned":
        shape["max_position_embeddings"] = config.max_position_embeddings
    if config.stem_width > 1:  # without a stem, no weights show it
        shape["stem_fraction"] = config.stem_fraction
    beside = {name: value for name in BESIDE if (value := getattr(config, name)) is not None}
    beside["vocab_rows"] = config.padded_vocab_size
    return Origin(str(folder.absolute()), fingerprint(folder), shape, _tokens_of(folder, kind), beside)


def take_along(tables: dict[str, Any], said: Mapping[str, Any], origin: Origin) -> None:
    """Put the model's shape and tokens into a recipe's tables.

    Raises SettingsError, with both values, if `said` (the tables that a person chose) says otherwise.
    """
    for room, taken in (("encoder", origin.encoder), ("tokens", origin.tokens)):
        chosen = said.get(room, {})
        others = [f"{room}.{key}" for key in taken if key in chosen and not _is_same(key, chosen[key], taken[key])]
        if others:
            key = others[0].partition(".")[2]
            more = f" (also different: {', '.join(others[1:])})" if others[1:] else ""
            raise SettingsError(
                f"{others[0]} = {toml_value(chosen[key])} was asked for, but the model in {origin.folder} has "
                f"{toml_value(taken[key])}{more}; leave it out, or set it to the same."
            )
        table = tables.setdefault(room, {})
        if isinstance(table, dict):  # recipe.py refuses anything else
            table.update(taken)


def _is_same(key: str, chosen: Any, taken: Any) -> bool:
    """Whether two values of a setting mean the same: a tokenizer may lie in two places."""
    if chosen == taken or key not in ("vocabulary", "folder") or not (isinstance(chosen, str) and chosen and taken):
        return bool(chosen == taken)
    if key == "vocabulary":
        return wordpiece_tokenizer(chosen).get_vocab() == wordpiece_tokenizer(taken).get_vocab()
    one, other = (dna_tokenizer(DnaTokenSettings(folder=folder)) for folder in (chosen, taken))
    return one.learned == other.learned


def _tokens_of(folder: Path, kind: str) -> dict[str, Any]:
    """The [tokens] settings for the tokenizer in a model's folder."""
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        return {}
    try:
        tokenizer = open_tokenizer(folder)
    except Exception as problem:  # on unknown files, transformers and tokenizers may raise anything
        why = str(problem).strip().partition("\n")[0] or type(problem).__name__
        raise UserError(
            f"{folder}: its tokenizer cannot be opened ({why}); copy the tokenizer's files again"
        ) from problem
    if kind == "genome" and isinstance(tokenizer, KmerTokenizer):
        return {"k": tokenizer.k, "stride": tokenizer.stride, "folder": ""}
    if kind == "genome" and as_dna(tokenizer) is not None:
        return {"folder": str(folder.absolute())}
    vocabulary = None if kind == "genome" or isinstance(tokenizer, DnaTokenizer) else vocabulary_of_tokenizer(tokenizer)
    if vocabulary is None:
        reads = "plain DNA" if kind == "genome" else "text as bert-base-uncased's does"
        raise SettingsError(
            f"{folder} comes with a {type(tokenizer).__name__}, which does not read {reads}, so pretraining on "
            f"{'a genome' if kind == 'genome' else 'text'} cannot continue from it; give a model with such tokens."
        )
    return {"vocabulary": str(vocabulary)}
