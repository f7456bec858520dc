"""The model of a folder with its tokenizer, on this machine's device.

In: a model folder and the wanted head. Out: the pair, ready for `forward`, or a hash that identifies the weights.
"""

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from genomask.encoders.positions import POSITIONS
from genomask.errors import UserError
from genomask.inference.hub import open_model
from genomask.training.device import choose_device


class Loaded(NamedTuple):
    """A model on its device, and the tokenizer of its folder."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase


def load(folder: Path, head: str = "encoder", *, seed: int = 0, untrained: bool = False, **settings: Any) -> Loaded:
    """The model of a folder with a head (`hub.HEADS`), in eval mode; `settings` (num_labels=3 ...) go to its config.

    `seed` draws what the folder does not hold: the weights of a new head, or all of an `untrained` twin. Raises
    UserError as `open_model` does.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # weights are drawn on the CPU: the GPUs' generators stay as they are
        model, tokenizer = open_model(folder, head=head, **settings)
        if untrained:
            model = type(model)(model.config).eval()
    if (places := places_of(model)) is not None:  # which a tokenizer need not state
        tokenizer.model_max_length = min(tokenizer.model_max_length, places)
    model.to(choose_device("auto"))  # type: ignore[arg-type]  # transformers wraps `to` and loses its types
    return Loaded(model, tokenizer)


def places_of(model: PreTrainedModel) -> int | None:
    """Tokens of a sequence, special ones included, that a model has places for; None where there is no bound (ALiBi).

    RoBERTa and its kin count places from after the id of [PAD], so the rows up to it are unused.
    """
    rows = getattr(model.config, "max_position_embeddings", None)
    if rows is None or not getattr(model.config, "position_encoding", POSITIONS["learned"]).learned:
        return None
    table = next((module for name, module in model.named_modules() if name.endswith("position_embeddings")), None)
    padding = getattr(table, "padding_idx", None)
    return int(rows) - (0 if padding is None else padding + 1)


def fingerprint(folder: Path) -> str:
    """Hash of a model folder's configuration and weights; raises UserError where there are none."""
    files = [path for path in sorted(folder.glob("*")) if path.suffix in (".safetensors", ".bin")]
    if not files or not (folder / "config.json").is_file():
        raise UserError(f"{folder}: no model here (config.json and weights); give a run's folder 'model'.")
    digest = hashlib.blake2b(digest_size=16)
    for path in [folder / "config.json", *files]:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "blake2b").digest())
    return digest.hexdigest()
