"""Model folders: a path in, the model and its tokenizer out. The heavy imports wait until a folder is opened.

Read as they are: ours, and any Hugging Face encoder that needs no code of its own (BERT, DNABERT ...). MosaicBERT's
(DNABERT-2 ...), whose code would come with the weights, become ours.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genomask.digests import check_weights
from genomask.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from genomask.encoders import MosaicBertForMaskedLM

HEADS = {
    "masked-lm": ("AutoModelForMaskedLM", "MosaicBertForMaskedLM"),
    "encoder": ("AutoModel", "MosaicBertModel"),
    "classification": ("AutoModelForSequenceClassification", "MosaicBertForSequenceClassification"),
}
"""What can stand on the encoder: transformers' class for it, and ours."""

NEW_HERE = {"masked-lm": (), "encoder": ("pooler",), "classification": ("pooler", "classifier")}
"""Parts a folder need not hold: a head that fine-tuning trains from its random start."""

LOCAL = {"local_files_only": True, "trust_remote_code": False}


def open_model(
    folder: Path | str, head: str = "masked-lm", **settings: Any
) -> tuple["PreTrainedModel", "PreTrainedTokenizerBase"]:
    """Load an encoder folder with its tokenizer; the model in eval mode.

    `settings` go to the model's config (num_labels=3 ...). Raises UserError for what is no such folder, or one whose
    weights are damaged, of another config, or without the head asked for.
    """
    from genomask.data.saved_tokenizer import open_tokenizer

    folder = Path(folder)
    model = _open_weights(folder, head, settings)
    try:
        return model, open_tokenizer(folder)
    except (ValueError, OSError, RuntimeError) as problem:
        raise UserError(
            f"{folder}: the model opens but its tokenizer does not ({_first_line(problem)}); copy the tokenizer's "
            "files (tokenizer.json, or vocab.txt) too"
        ) from problem


def open_as_ours(folder: Path) -> "MosaicBertForMaskedLM":
    """Our own model from our folder, MosaicBERT's or BERT's, in the type of the file; no tokenizer is needed.

    UserError as above.
    """
    from genomask.encoders import MosaicBertConfig
    from genomask.encoders.bridges import from_folder, read_config

    if read_config(folder).get("model_type") == MosaicBertConfig.model_type:
        return _open_weights(folder, "masked-lm", {})
    check_weights(folder)
    return from_folder(folder, keep_type=True)


def _open_weights(folder: Path, head: str, settings: dict[str, Any]) -> Any:
    from genomask.encoders.bridges import is_mosaicbert, model_type, read_config
    from genomask.encoders.bridges.files import UNREADABLE, unreadable

    config = read_config(folder)
    check_weights(folder)
    if not any(folder.glob("*.safetensors")) and not any(folder.glob("pytorch_model*.bin")):
        raise UserError(f"{folder}: config.json but no weights (model.safetensors); copy the whole model folder")
    read = _as_ours if is_mosaicbert(config) else partial(_as_it_is, model_type(config, folder))
    try:
        with _quiet_loading():
            model, found = read(folder, head, settings)
    except UNREADABLE as problem:
        raise UserError(unreadable(folder)) from problem
    except (ValueError, OSError, RuntimeError) as problem:
        raise UserError(f"{folder}: cannot be opened as a {head} model: {_first_line(problem)}") from problem
    _refuse_lacking(folder, head, found)
    return model


def _as_it_is(kind: str, folder: Path, head: str, settings: dict[str, Any]) -> Any:
    """The model and what was found, by transformers' Auto classes, which know ours; `kind`: its model_type."""
    import transformers

    import genomask.encoders  # noqa: F401  teaches the Auto classes ours

    auto = getattr(transformers, HEADS[head][0])
    if kind == "bert":  # the Auto classes would refuse a config that does not say so itself
        settings = {"config": transformers.BertConfig.from_pretrained(folder, **settings)}
    return auto.from_pretrained(folder, output_loading_info=True, ignore_mismatched_sizes=True, **LOCAL, **settings)


def _as_ours(folder: Path, head: str, settings: dict[str, Any]) -> Any:
    """The same for MosaicBERT's names; a pooler in the file is left out, masked tokens having trained none."""
    from genomask import encoders
    from genomask.encoders.bridges import from_folder

    bridged = from_folder(folder)
    config = encoders.MosaicBertConfig.from_dict(bridged.config.to_dict(), **settings)
    ours = getattr(encoders, HEADS[head][1])
    return ours.from_pretrained(None, config=config, state_dict=bridged.state_dict(), output_loading_info=True)


@contextmanager
def _quiet_loading() -> Iterator[None]:
    """No bar, and no report of missing tensors: which may be missing is looked at here."""
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


def _refuse_lacking(folder: Path, head: str, found: dict[str, Any]) -> None:
    """UserError where tensors that the head needs are not in the file, or are of another shape."""
    lacking = [*found["missing_keys"], *(name for name, *_ in found["mismatched_keys"])]
    lacking = sorted(name for name in lacking if not any(part in name for part in NEW_HERE[head]))
    if lacking:
        raise UserError(
            f"{folder}: the weights lack {lacking[0]} in the shape its config asks of a {head} model ({len(lacking)} "
            "tensors in all); give the folder of a model saved with this head, config.json and weights together"
        )


def _first_line(problem: Exception) -> str:
    return str(problem).strip().partition("\n")[0]
