"""The tokenizer of a model folder or of a recipe, ours or another's, without running code from the folder."""

import json
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from genomask.data.settings import DnaTokenSettings
from genomask.data.tokenizers.base import SPECIAL_NAMES, SPECIAL_TOKENS, DnaTokenizer
from genomask.data.tokenizers.bpe import BpeTokenizer
from genomask.data.tokenizers.kmer import MAX_K, KmerTokenizer
from genomask.errors import SettingsError, quoted
from genomask.settings.ranges import shown

TOKENIZER_FILES = (
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("vocab.txt", "vocab.json", "merges.txt"),
)
"""The files that a tokenizer in a model's folder may have."""
OURS: dict[str, Any] = {kind.__name__: kind for kind in (KmerTokenizer, BpeTokenizer)}
LOCAL: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}


def open_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer a folder names; DNABERT's k-mers become ours; a tokenizer.json without a class is read as it is.

    Without a class, transformers would choose the tokenizer of the config's model type: a BPE would become a WordPiece
    that gives [UNK] for everything. Raises ValueError or OSError, as transformers does, if none opens.
    """
    path = folder / "tokenizer_config.json"
    named = json.loads(path.read_text(encoding="utf-8")).get("tokenizer_class") if path.is_file() else None
    k = None if named == KmerTokenizer.__name__ else kmer_size(_vocabulary(folder))
    if k is not None:
        return KmerTokenizer(k=k)
    if named in OURS:  # beside a model of another class, AutoTokenizer looks for the tokenizer of that class
        opens = OURS[named]
    else:
        opens = AutoTokenizer if named or not (folder / "tokenizer.json").is_file() else PreTrainedTokenizerFast
    tokenizer: PreTrainedTokenizerBase = opens.from_pretrained(folder, **LOCAL)
    _require_a_length(tokenizer.model_max_length)
    if opens is not PreTrainedTokenizerFast:
        return tokenizer
    for name, token in zip(SPECIAL_NAMES, SPECIAL_TOKENS, strict=True):
        if getattr(tokenizer, name) is None and token in tokenizer.get_vocab():
            setattr(tokenizer, name, token)
    return tokenizer


def _require_a_length(tokens: Any) -> None:
    """transformers accepts any value here, and fails when it first compares it."""
    if isinstance(tokens, bool) or not isinstance(tokens, int | float) or not tokens >= 1:
        raise ValueError(f"model_max_length in tokenizer_config.json is {shown(tokens)}, not a number of tokens")


def dna_tokenizer(settings: DnaTokenSettings) -> DnaTokenizer:
    """The tokenizer that a recipe asks for. Raises SettingsError if its folder holds none that reads plain DNA."""
    if not settings.folder:
        return KmerTokenizer(k=settings.k, stride=settings.stride)
    if not Path(settings.folder).is_dir():  # transformers would take it for a name on the hub
        there = "is a file, not a folder" if Path(settings.folder).exists() else "there is no such folder"
        raise SettingsError(f"tokens.folder = {quoted(settings.folder)}: {there}. {_MAKE}")
    try:
        tokenizer = open_tokenizer(Path(settings.folder))
    except Exception as problem:  # damaged files make transformers and tokenizers raise any exception
        why = str(problem).strip().partition("\n")[0] or type(problem).__name__
        raise SettingsError(
            f"tokens.folder = {quoted(settings.folder)}: no tokenizer can be opened there ({why}). {_MAKE}"
        ) from problem
    if (found := as_dna(tokenizer)) is None:
        raise SettingsError(
            f"tokens.folder = {quoted(settings.folder)} holds a {type(tokenizer).__name__}, which is neither a DNA "
            f"tokenizer of genomask nor a BPE of DNA. {_MAKE}"
        )
    return found


def as_dna(tokenizer: PreTrainedTokenizerBase) -> DnaTokenizer | None:
    """The tokenizer itself if training can use it, a BPE of DNA as a BpeTokenizer, None for others."""
    return tokenizer if isinstance(tokenizer, DnaTokenizer) else BpeTokenizer.of(tokenizer)


_MAKE = "Give a folder that `genomask tokenizer train` wrote."


def kmer_size(vocabulary: list[str]) -> int | None:
    """k if the tokens, in the order of their ids, are our k-mers (DNABERT's); otherwise None."""
    for k in range(1, MAX_K + 1):
        if len(vocabulary) == 4**k + len(SPECIAL_TOKENS):
            return k if vocabulary == list(KmerTokenizer(k=k).get_vocab()) else None
    return None


def _vocabulary(folder: Path) -> list[str]:
    """Tokens in the order of their ids, from vocab.txt or tokenizer.json; empty if neither lists them."""
    if (folder / "vocab.txt").is_file():
        return (folder / "vocab.txt").read_text(encoding="utf-8").split()
    if not (folder / "tokenizer.json").is_file():
        return []
    ids = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    return sorted(ids, key=lambda token: ids[token]) if isinstance(ids, dict) else []
