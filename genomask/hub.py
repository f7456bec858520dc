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


def open_model(
    folder: Path | str, head: str = "masked-lm", **settings: Any
) -> tuple["PreTrainedModel", "PreTrainedTokenizerBase"]:
    """Load a Hugging Face encoder folder, ours or any other that needs no remote code.

    `settings` go to the model's from_pretrained (num_labels=3 ...). Raises UserError for what is no such folder.
    """
    import transformers

    import genomask.data
    import genomask.encoders  # noqa: F401  both teach the Auto classes ours

    folder = Path(folder)
    _check_files(folder)
    if head not in HEADS:
        raise UserError(f"model head {head!r} is unknown; use one of {', '.join(HEADS)}")
    auto_model = getattr(transformers, HEADS[head])
    try:
        model = auto_model.from_pretrained(folder, local_files_only=True, **settings)
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (ValueError, OSError) as problem:
        raise UserError(f"{folder}: cannot be read as a model with head {head}: {problem}") from problem
    return model, tokenizer


def _check_files(folder: Path) -> None:
    """UserError unless the folder holds a config and weights."""
    if not (folder / "config.json").is_file():
        raise UserError(
            f"{folder}: no model here (no config.json); give a run's folder 'model' or a Hugging Face folder"
        )
    if not any(folder.glob("*.safetensors")) and not any(folder.glob("pytorch_model*.bin")):
        raise UserError(f"{folder}: config.json but no weights (model.safetensors); copy the whole model folder")
