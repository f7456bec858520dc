"""`genomask export`: a model folder in; the same weights in a folder of another name scheme out."""

import json
import shutil
from pathlib import Path

from safetensors.torch import save_file

from genomask.atomic import atomic_folder, require_folder
from genomask.encoders.bridges import EXPORTS
from genomask.errors import SettingsError
from genomask.hub import open_as_ours

TOKENIZER_FILES = (
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("vocab.txt", "vocab.json", "merges.txt"),
)
DNABERTS = {"tokenizer_class": "BertTokenizer", "do_lower_case": False}
"""What tokenizer_config.json says where vocab.txt holds k-mers: others read them between spaces, we in plain DNA."""


def export(model: Path, to: str, out: Path) -> str:
    """Write `out` (config.json, model.safetensors and the tokenizer's files) whole or not at all; says what is there.

    Tensors keep their bits, in bf16 and fp16 too; a file of several types, or of float64, is written in float32.
    Raises UserError for a folder that cannot be read, a model that the scheme cannot express, and an `out` that exists.
    """
    if to not in EXPORTS:
        raise SettingsError(f"--to {to!r} is not a name scheme; use one of: {', '.join(EXPORTS)}.")
    require_folder(out)
    if out.exists():
        raise SettingsError(f"{out} is already there; give another --out, or move it away.")
    config, tensors = EXPORTS[to].write(open_as_ours(model))
    with atomic_folder(out) as folder:
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        copied = _copy_tokenizer(model, folder)
    with_tokenizer = "with its tokenizer" if copied else "without a tokenizer, as it came"
    return f"{out}: {len(tensors)} tensors under {to}'s names, {with_tokenizer}"


def _copy_tokenizer(model: Path, folder: Path) -> bool:
    """Copy the tokenizer's files, if there are any; overlapping k-mers of ours are written as DNABERT's."""
    there = [model / name for name in TOKENIZER_FILES if (model / name).is_file()]
    for path in there:
        shutil.copyfile(path, folder / path.name)
    ours = folder / "tokenizer_config.json"
    said = json.loads(ours.read_text(encoding="utf-8")) if ours.is_file() else {}
    if said.get("tokenizer_class") == "KmerTokenizer" and said["stride"] == 1:
        ours.write_text(json.dumps(DNABERTS, indent=2) + "\n", encoding="utf-8")
    return bool(there)
