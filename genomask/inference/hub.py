"""Model folders: a path or a hub's name in, the model and its tokenizer out. Heavy imports wait until one is opened.

Our models, and any Hugging Face encoder that needs no code of its own (BERT, DNABERT ...), are read as they are.
MosaicBERT's (DNABERT-2 ...), whose code would come with the weights, become ours. No code in a hub's repository is even
downloaded.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genomask.errors import UserError
from genomask.files.digests import check_weights
from genomask.files.inputs import is_hub_name, model_folder
from genomask.terminal.progress import working

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from genomask.encoders import MosaicBertForMaskedLM

HEADS = {
    "masked-lm": ("AutoModelForMaskedLM", "MosaicBertForMaskedLM"),
    "encoder": ("AutoModel", "MosaicBertModel"),
    "classification": ("AutoModelForSequenceClassification", "MosaicBertForSequenceClassification"),
    "trained classification": ("AutoModelForSequenceClassification", "MosaicBertForSequenceClassification"),
}
"""Heads on the encoder: transformers' class for each, and ours."""
OTHER_HEADS = {
    "trained classification": "this model was not fine-tuned, so it has no labels; fine-tune it with "
    "genomask finetune, or give a classifier",
    "masked-lm": "this model cannot fill in masks, like any fine-tuned model; give the one that it was made from",
}
"""What is wrong where a model has the encoder but not the head."""

NEW_PARAMETERS = 2**24
"""Parameters allowed for a new head, whatever the size of the encoder."""

DOWNLOADED = (
    "config.json",
    "tokenizer*.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab*",
    "*.txt",
    "*.model",
)
"""Files wanted from a hub's repository besides the weights."""
WEIGHTS = (
    ("model*.safetensors", "model.safetensors.index.json"),
    ("pytorch_model*.bin", "pytorch_model.bin.index.json"),
)
"""Files of weights; pickles, of which only tensors are read, where there are no safetensors."""

LOCAL: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}


def open_model(
    folder: Path | str, head: str = "masked-lm", **settings: Any
) -> tuple["PreTrainedModel", "PreTrainedTokenizerBase"]:
    """Load an encoder folder with its tokenizer; the model in float32 and in eval mode.

    `settings` go to the model's config (num_labels=3 ...). Raises UserError for a folder that is not a model's, or
    whose weights are damaged, of another config, or without the head asked for.
    """
    folder = Path(folder)
    model = _open_weights(folder, head, settings)
    tokenizer = tokenizer_of(folder)
    _refuse_other_vocabulary(folder, tokenizer, getattr(model.config, "vocab_size", None))
    return model, tokenizer


def tokenizer_of(folder: Path) -> "PreTrainedTokenizerBase":
    """The tokenizer of a model's folder. Raises UserError where none opens, and where there is no model."""
    from genomask.data.tokenizers.saved import open_tokenizer
    from genomask.encoders.bridges import model_type, read_config

    model_type(read_config(folder), folder)
    try:
        with _quiet_loading():
            return open_tokenizer(folder)
    except Exception as problem:  # unknown files make transformers and tokenizers raise errors of any kind
        raise UserError(
            f"{folder}: the tokenizer of this model cannot be opened ({_first_line(problem)}); copy the tokenizer's "
            "files (tokenizer.json, or vocab.txt) too"
        ) from problem


def found_model(text: str | Path) -> Path:
    """The folder of a model or of a run; `owner/name`, where there is no such folder, is downloaded from the hub.

    If the hub is out of reach, what was downloaded before is used. Raises UserError where it is neither.
    """
    folder = model_folder(text)
    return _downloaded(str(text)) if is_hub_name(text) else folder


def _downloaded(name: str) -> Path:
    import huggingface_hub as hub
    from huggingface_hub.utils import disable_progress_bars, httpx

    disable_progress_bars()
    try:
        with working(f"downloading {name}", unit="file"):
            for weights in WEIGHTS:
                folder = Path(hub.snapshot_download(name, allow_patterns=[*DOWNLOADED, *weights]))
                if any(folder.glob(weights[0])):
                    break
    except (OSError, ValueError, httpx.HTTPError) as problem:
        raise UserError(
            f"{name}: no such folder here, and no such model on the hub ({_first_line(problem).rstrip('.')}). Check "
            f"the name, and the connection to {hub.constants.ENDPOINT} (HF_ENDPOINT, HF_HUB_OFFLINE, HF_TOKEN)."
        ) from problem
    return folder


def open_as_ours(folder: Path) -> "MosaicBertForMaskedLM":
    """Our own model from a folder of ours, MosaicBERT's or BERT's, in the type of the file; no tokenizer is needed.

    Raises UserError as `open_model` does.
    """
    from genomask.encoders import MosaicBertConfig
    from genomask.encoders.bridges import from_folder, read_config

    if read_config(folder).get("model_type") == MosaicBertConfig.model_type:
        model: MosaicBertForMaskedLM = _open_weights(folder, "masked-lm", {}, keep_type=True)
        return model
    check_weights(folder)
    return from_folder(folder, keep_type=True)


def _open_weights(folder: Path, head: str, settings: dict[str, Any], *, keep_type: bool = False) -> Any:
    """The model in float32, whatever its config says; with `keep_type` in bf16 or fp16 if the file holds only that.

    Half precision learns and scores differently, and an untrained twin has float32 too.
    """
    import torch

    from genomask.encoders import MosaicBertConfig
    from genomask.encoders.bridges import (
        is_mosaicbert,
        model_type,
        read_config,
        read_weights,
        refuse_not_finite,
        type_of,
    )

    config = read_config(folder)
    check_weights(folder)
    read = _as_ours if is_mosaicbert(config) else partial(_as_it_is, model_type(config, folder))
    state = read_weights(folder)
    dtype = type_of(state) if keep_type else torch.float32
    settings = {"return_dict": True} | settings  # whatever the folder says: outputs are read by name here
    try:
        with _quiet_loading():
            kind, settled, state = read(folder, head, settings, config, state)
            model, found = kind.from_pretrained(
                None,
                config=settled,
                state_dict=state,
                dtype=dtype,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
            )
    except UserError as problem:
        raise type(problem)(f"{folder}: {problem}") from problem
    except Exception as problem:  # as above
        raise UserError(f"{folder}: cannot be opened as a {head} model: {_first_line(problem)}") from problem
    _refuse_lacking(folder, head, found, f"{model.base_model_prefix}.")
    if isinstance(model.config, MosaicBertConfig):  # others leave tensors in their files that their models do not read
        _refuse_left_over(folder, found)
    refuse_not_finite(model, folder)
    return model


def _as_it_is(
    kind: str, folder: Path, head: str, settings: dict[str, Any], said: Mapping[str, Any], state: dict[str, Any]
) -> tuple[Any, Any, dict[str, Any]]:
    """Class, config and tensors of an encoder that the Auto classes know, ours included; `kind`: its model_type."""
    import torch
    import transformers

    import genomask.encoders  # noqa: F401  teaches the Auto classes ours
    from genomask.encoders.bridges import refuse_vast

    if str(said.get("position_embedding_type")).startswith("relative_key"):
        raise UserError(
            f"position_embedding_type is {said['position_embedding_type']!r}, which transformers no longer computes; "
            "use a model with absolute positions"
        )
    refuse_vast(said, len(state))
    reader = transformers.BertConfig if kind == "bert" else transformers.AutoConfig  # BERT's need not say its type
    config = reader.from_pretrained(folder, **LOCAL, **settings)
    with torch.device("meta"):
        twin = getattr(transformers, HEADS[head][0]).from_config(config, trust_remote_code=False)
    _refuse_larger(twin, state)
    if "attention_mask" not in signature(twin.forward).parameters:
        raise UserError(
            f"a model of type {kind!r} takes no attention mask, so its vectors would depend on their batch; "
            "use a model that takes one"
        )
    return type(twin), config, state


def _as_ours(
    folder: Path, head: str, settings: dict[str, Any], said: Mapping[str, Any], state: dict[str, Any]
) -> tuple[Any, Any, dict[str, Any]]:
    """The same for MosaicBERT's names, which become ours."""
    from genomask import encoders
    from genomask.encoders.bridges import read_mosaicbert

    found = read_mosaicbert(said, state)
    config = encoders.MosaicBertConfig.from_dict(found.config.to_dict(), **settings)
    return getattr(encoders, HEADS[head][1]), config, found.tensors


def _refuse_larger(twin: Any, state: Mapping[str, Any]) -> None:
    """Raises UserError for a model far larger than its weights: it would fill memory before any shape is checked."""
    asked, there = (sum(x.numel() for x in tensors) for tensors in (twin.parameters(), state.values()))
    if asked > 2 * there + NEW_PARAMETERS:
        raise UserError(
            f"config.json asks for {asked:,} parameters, but the weights hold {there:,}; give the config.json that "
            "belongs to these weights"
        )


@contextmanager
def _quiet_loading() -> Iterator[None]:
    """No bar, and no report of missing tensors: which may be missing is checked here."""
    from transformers.utils import logging

    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()


def _refuse_lacking(folder: Path, head: str, found: dict[str, Any], encoder: str) -> None:
    """Raises UserError where tensors that the head needs are not in the file, or have another shape.

    `encoder`: the prefix of its tensors' names. A head that is to be trained need not be there.
    """
    lacking = [*found["missing_keys"], *(name for name, *_ in found["mismatched_keys"])]
    if head == "classification":
        lacking = [name for name in lacking if name.startswith(encoder)]
    if head in ("encoder", "classification"):
        lacking = [name for name in lacking if "pooler" not in name]
    lacking.sort()
    is_whole = not any(name.startswith(encoder) and "pooler" not in name for name in lacking)
    if lacking and is_whole and head in OTHER_HEADS:
        raise UserError(f"{folder}: {OTHER_HEADS[head]} (its weights lack {lacking[0]})")
    if lacking:
        raise UserError(
            f"{folder}: the weights lack {lacking[0]} in the shape its config requires of a {head} model ("
            f"{len(lacking)} tensors in all); give the folder of a model saved with this head, config.json and "
            "weights together"
        )


def _refuse_left_over(folder: Path, found: dict[str, Any]) -> None:
    """Raises UserError for encoder tensors that its config does not ask for: without them it would be another model."""
    parts = ("embeddings.", "encoder.")
    left = sorted(name for name in found["unexpected_keys"] if name.removeprefix("bert.").startswith(parts))
    if left:
        raise UserError(
            f"{folder}: the weights hold {left[0]}, which config.json does not ask for ({len(left)} such tensors); "
            "give the config.json that belongs to these weights"
        )


def _refuse_other_vocabulary(folder: Path, tokenizer: Any, vocab_size: int | None) -> None:
    """Raises UserError for a tokenizer without vocabulary or of another model; vocab_size None: the config has none."""
    from genomask.data.tokenizers.base import DnaTokenizer

    words = tokenizer.get_vocab()
    if not words.keys() - set(tokenizer.all_special_tokens):
        raise UserError(f"{folder}: the tokenizer has no vocabulary; copy vocab.txt or tokenizer.json too")
    last = max(words.values())
    rows_of_others = isinstance(tokenizer, DnaTokenizer) and len(words) != vocab_size  # in ours each id has a row
    if vocab_size is not None and (last >= vocab_size or rows_of_others):
        raise UserError(
            f"{folder}: the tokenizer has ids up to {last:,}, the model vectors for {vocab_size:,} tokens; copy the "
            "tokenizer's files that were saved with this model"
        )


def _first_line(problem: Exception) -> str:
    """transformers' message, without advice; a heading ("Validation error for field ...:") goes with its next line."""
    lines = str(problem).split("\n")
    said = " ".join(lines[: 2 if lines[0].endswith(":") else 1])
    return " ".join(said.split()) or type(problem).__name__
