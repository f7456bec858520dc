"""`genomask export`: a model folder in; the same weights in a folder of another name scheme out."""

import glob
import json
import shutil
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from genomask.auto_classes import tokenizer_classes
from genomask.commands.run_folder.card import NOTHING, PLAIN_DNA, PLAIN_TEXT, Reads, export_card, spaced_kmers
from genomask.data.tokenizers.saved import TOKENIZER_FILES, kmer_size
from genomask.encoders.bridges import EXPORTS, Form
from genomask.encoders.settings import EncoderSettings
from genomask.errors import DataError, SettingsError
from genomask.files.atomic import atomic_folder, require_folder, sweep
from genomask.files.digests import WEIGHTS, write_weights_digest
from genomask.inference.hub import open_as_ours

DNABERTS = {"tokenizer_class": "BertTokenizer", "do_lower_case": False}
"""tokenizer_config.json beside a vocab.txt of k-mers: others read them between spaces, we in plain DNA."""


def export(model: Path, to: str, out: Path) -> str:
    """Write `out` (config, weights, the tokenizer's files and a card) whole or not at all; returns a summary.

    Tensors keep their bits, in bf16 and fp16 too; a file of several types, or of float64, is written in float32.
    Raises UserError for a folder that cannot be read, a model that the scheme cannot express, and an `out` that exists.
    """
    if to not in EXPORTS:
        raise SettingsError(f"--to {to!r} is not a name scheme; use one of: {', '.join(EXPORTS)}.")
    require_folder(out)
    if out.exists():
        raise SettingsError(f"{out} already exists; give another --out, or move it away.")
    config, tensors = EXPORTS[to].write(open_as_ours(model))
    sweep(out.parent, f"{glob.escape(out.name)}/")
    with atomic_folder(out) as folder:
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
        write_weights_digest(folder)
        reads = _copy_tokenizer(model, folder, to)
        (folder / "README.md").write_text(export_card(_old_card(model), to, reads), encoding="utf-8")
    with_tokenizer = "without a tokenizer, as it had none" if reads == NOTHING else "with its tokenizer"
    return f"{out}: {len(tensors)} tensors under {to}'s names, {with_tokenizer}"


def export_note(encoder: EncoderSettings) -> str:
    """A note to give before training, that `export` cannot write a model of these settings; "" if it can."""
    form = Form.of(encoder)
    if any(form == scheme.form for scheme in EXPORTS.values()):
        return ""
    ways = (f"{name}: {scheme.form.asked_for}" for name, scheme in EXPORTS.items())
    return (
        f"an encoder with {form} opens only in genomask; `genomask "
        f"export` could write it in other names if it were trained with other settings ({'; '.join(ways)})"
    )


def _old_card(model: Path) -> str:
    path = model / "README.md"
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _copy_tokenizer(model: Path, folder: Path, scheme: str) -> Reads:
    """Copy the tokenizer's files, if there are any; our overlapping k-mers are written as DNABERT's."""
    there = [model / name for name in TOKENIZER_FILES if (model / name).is_file()]
    for path in there:
        shutil.copyfile(path, folder / path.name)
    if not there:
        return NOTHING
    ours = folder / "tokenizer_config.json"
    said = _tokenizer_settings(model / ours.name) if ours.is_file() else {}
    if said.get("tokenizer_class") == "KmerTokenizer":
        if said["stride"] != 1:
            return PLAIN_DNA
        kept = {key: said[key] for key in ("model_max_length",) if key in said}
        ours.write_text(json.dumps(DNABERTS | kept, indent=2) + "\n", encoding="utf-8")
    elif str(said.get("tokenizer_class")) in dict(tokenizer_classes()):
        return PLAIN_DNA
    words = folder / "vocab.txt"
    k = kmer_size(words.read_text(encoding="utf-8", errors="replace").split()) if words.is_file() else None
    return PLAIN_TEXT if k is None else spaced_kmers(k, scheme)


def _tokenizer_settings(path: Path) -> dict[str, Any]:
    """Read tokenizer_config.json. Raises DataError if it is damaged, or lacks the stride of our k-mers."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict) or (said.get("tokenizer_class") == "KmerTokenizer" and "stride" not in said):
        raise DataError(f"{path}: damaged, not the settings of a tokenizer; copy the tokenizer's files again.")
    return said
