"""Model folders: a path in, the model and its tokenizer out. The heavy imports wait until a folder is opened."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from genomask.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

HEADS = {
    "masked-lm": "AutoModelForMaskedLM",
    "encoder": "AutoModel",
    "classification": "AutoModelForSequenceClassification",
}
"""What can stand on the encoder, and transformers' class for it."""

NEW_HERE = {"masked-lm": (), "encoder": ("pooler",), "classification": ("pooler", "classifier")}
"""Parts a folder need not hold: a head that fine-tuning trains from its random start."""


def open_model(
    folder: Path | str, head: str = "masked-lm", **settings: Any
) -> tuple["PreTrainedModel", "PreTrainedTokenizerBase"]:
    """Load a Hugging Face encoder folder, ours or any other that needs no code of its own; the model in eval mode.

    `settings` go to the model's from_pretrained (num_labels=3 ...). Raises UserError for what is no such folder, or
    one whose weights are damaged, of another config, or without the head asked for.
    """
    import transformers
    from safetensors import SafetensorError

    import genomask.data
    import genomask.encoders  # noqa: F401  both teach the Auto classes ours

    folder = Path(folder)
    _check_files(folder)
    auto_model = getattr(transformers, HEADS[head])
    local = {"local_files_only": True, "trust_remote_code": False}
    try:
        model, found = auto_model.from_pretrained(
            folder, output_loading_info=True, ignore_mismatched_sizes=True, **local, **settings
        )
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **local)
    except SafetensorError as problem:
        raise UserError(f"{folder}: the weights are damaged or cut short ({problem}); copy the file again") from problem
    except (ValueError, OSError, RuntimeError) as problem:
        what = str(problem).strip().partition("\n")[0]
        raise UserError(f"{folder}: cannot be opened as a {head} model with its tokenizer: {what}") from problem
    lacking = [*found["missing_keys"], *(name for name, *_ in found["mismatched_keys"])]
    lacking = sorted(name for name in lacking if not any(part in name for part in NEW_HERE[head]))
    if lacking:
        raise UserError(
            f"{folder}: the weights lack {lacking[0]} in the shape its config asks of a {head} model ({len(lacking)} "
            "tensors in all); give the folder of a model saved with this head, config.json and weights together"
        )
    return model, tokenizer


def _check_files(folder: Path) -> None:
    """UserError unless the folder holds a config and weights."""
    if not (folder / "config.json").is_file():
        raise UserError(
            f"{folder}: no model here (no config.json); give a run's folder 'model' or a Hugging Face folder"
        )
    if not any(folder.glob("*.safetensors")) and not any(folder.glob("pytorch_model*.bin")):
        raise UserError(f"{folder}: config.json but no weights (model.safetensors); copy the whole model folder")
