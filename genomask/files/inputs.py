"""What a command line names, checked before anything heavy is imported: files, folders, models, strategies.

Each function takes the text of an option and returns what it names, or raises a UserError that says what is wrong.
"""

import glob
import os
import re
import sys
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from importlib import resources
from io import BufferedReader
from pathlib import Path
from typing import cast

from genomask.errors import DataError, SettingsError
from genomask.files.atomic import require_folder
from genomask.settings.spelling import did_you_mean
from genomask.settings.strategy_text import read_name

CURRICULUM_NAMES = ("cm-gems", "cm-step", "linear-mix", "rate-step", "random-mask")

RUN_RECORDS = ("config.toml", "finetune.json")
"""The files that mark the folder of a run: pretraining's, and fine-tuning's."""
MEASURED = "protocol.json"
"""The file that few-shot, bench and compare write in the folder of their results."""

_HUB_WORD = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII)

C4 = "c4"
"""The short name of the text that MosaicBERT was trained on."""
HUB = "hf:"
"""The prefix of the name of a data set on the Hugging Face hub."""

STDIN = Path("/dev/stdin")
"""What - stands for as an input: it need not be an ordinary file, and is read once."""
STDOUT = Path("/dev/stdout")
"""What - stands for as an output."""


def strategy_names() -> list[str]:
    """Our strategies, found by their files without importing them, and our curricula."""
    files = (resources.files("genomask") / "masking" / "strategies").iterdir()
    stems = {file.name.removesuffix(".py") for file in files if file.name.endswith(".py")} - {"__init__"}
    return [*sorted(stem.replace("_", "-") for stem in stems), *CURRICULUM_NAMES]


@contextmanager
def reading(path: Path) -> Iterator[BufferedReader]:
    """The bytes of a file, or of standard input, which stays open."""
    if path == STDIN:
        yield cast(BufferedReader, sys.stdin.buffer)
    else:
        with path.open("rb") as file:
            yield file


def named(path: Path) -> str:
    """What messages call a file; standard input by what it is, not by its path."""
    return "standard input" if path == STDIN else str(path)


def empty(path: Path, advice: str) -> DataError:
    """The error for an empty file or empty standard input, and how to fix it: `advice` is for a file."""
    if path == STDIN:
        return DataError(
            "standard input is empty. Pipe something into it, and use - for one file only: it can be read once."
        )
    return DataError(f"{path}: the file is empty. {advice}")


def input_file(text: str | Path) -> Path:
    """A file that will be read."""
    path = local(text)
    require_file(path)
    return path


def input_sequences(text: str | Path) -> Path:
    """A file that will be read, FASTA:RECORD:FIRST-LAST, or - for standard input."""
    _, region = split_at_file(str(text))
    return local(text) if region else input_stream(text)


def input_stream(text: str | Path) -> Path:
    """A file that will be read, or - for standard input."""
    return STDIN if str(text) == "-" else input_file(text)


def output_stream(text: str | Path) -> Path:
    """A file that will be written, or - for standard output."""
    return STDOUT if str(text) == "-" else output_file(text)


def require_file(path: Path, of_folder: str = "Name the file in it.", of_absent: str = "") -> None:
    """Raises DataError if `path` is not an ordinary file, with the advice given for a folder and an absent file."""
    if path == STDIN:
        return
    if os.path.isdir(path):
        raise DataError(f"{path}: this is a folder, not a file. {of_folder}")
    if not os.path.exists(path):
        advice = of_absent or f"Check the spelling, and the folder you are in ({_here()})."
        raise DataError(f"{path}: no such file. {advice}{did_you_mean(path.name, _neighbours(path))}")
    if not os.path.isfile(path):
        raise DataError(f"{path}: not an ordinary file. Write its content to a file on disk and name that.")


def input_folder(text: str | Path) -> Path:
    """A folder that will be read."""
    path = local(text)
    if os.path.isfile(path):
        raise DataError(f"{path}: this is a file, not a folder. Name the folder that it lies in.")
    if not os.path.isdir(path):
        near = did_you_mean(path.name, _neighbours(path))
        raise DataError(f"{path}: no such folder. Check the spelling, and the folder you are in ({_here()}).{near}")
    return path


def input_table(text: str | Path) -> Path:
    """A table that `genomask npmi` wrote."""
    path = local(text)
    require_table(path)
    return path


def require_table(path: Path) -> None:
    """As require_file, with advice for NPMI tables."""
    require_file(
        path,
        "Name the table in it, a file that `genomask npmi` wrote.",
        f"Make a table with `genomask npmi GENOME... --out {path}`.",
    )


def corpus(text: str) -> str:
    """A shard, a folder or a pattern of shards, or a data set of the hub: c4, hf:NAME or hf:NAME:CONFIG."""
    if text.startswith(HUB):
        if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?(:[^\s:/]+)?", text.removeprefix(HUB)):
            raise SettingsError(f"{text}: not the name of a data set; give hf:NAME, hf:OWNER/NAME or hf:NAME:CONFIG.")
    elif text == C4:
        if os.path.exists(C4):
            raise SettingsError(
                f"{C4}: the short name of a data set, but there is a {C4} here too; give ./{C4}, or {HUB}allenai/c4:en."
            )
    elif not os.path.isdir(local(text)) and not glob.glob(text, recursive=True):
        require_file(Path(text))
    return text


def output_folder(text: str | Path) -> Path:
    """A folder that is there or can be made."""
    path = local(text)
    require_folder(path)
    return path


def output_file(text: str | Path) -> Path:
    """A file that will be written."""
    return local(text)


def model_folder(text: str | Path) -> Path:
    """The folder of a model; that of a run stands for the model in it."""
    path = local(text)
    return path / "model" if is_run(path) else path


def is_hub_name(text: str | Path) -> bool:
    """Whether it can only be a repository's name, owner/name: there is no such folder, nor one named like the owner."""
    owner, _, name = str(text).partition("/")
    is_name = _HUB_WORD.fullmatch(owner) and _HUB_WORD.fullmatch(name)
    return bool(is_name) and not os.path.exists(text) and not os.path.exists(owner)


def is_run(path: Path) -> bool:
    """Whether a folder is that of a run, with or without a model yet."""
    return not os.path.isfile(path / "config.json") and any(os.path.isfile(path / name) for name in RUN_RECORDS)


def require_model(folder: Path) -> None:
    """Raises DataError if there is no model in `folder`."""
    if os.path.isfile(folder / "config.json"):
        return
    if is_run(folder.parent):
        raise DataError(
            f"{folder}: the run has not finished, so there is no model yet; continue it with --resume, or give a "
            f"checkpoint of a pretraining run, such as {folder.parent / 'checkpoints'}/step-N."
        )
    if folder.is_file():
        raise DataError(
            f"{folder}: this is a file, but a model is a folder; give that of a run or of a model, or the name of a "
            "model on the hub (owner/name)."
        )
    if not folder.is_dir():
        raise DataError(
            f"{folder}: no model here (no such folder); check the spelling, and the folder you are in ({os.getcwd()}), "
            "or give the name of a model on the hub (owner/name)."
        )
    if below := _models_below(folder):
        more = " or another." if len(below) > 3 else "."
        raise DataError(f"{folder}: no model here (no config.json), but below it: give {', '.join(below[:3])}{more}")
    if (folder / MEASURED).is_file():
        raise DataError(f"{folder}: no model here (no config.json), but results measured on one; give that model.")
    raise DataError(
        f"{folder}: no model here (no config.json); give a run's folder, its folder 'model', a Hugging Face "
        "folder, or the name of a model on the hub (owner/name)."
    )


def _models_below(folder: Path) -> list[str]:
    """Folders of models and of runs, as `compare` and `glue` make them."""
    found = (path for pattern in ("*", "*/model", "*/*/model") for path in folder.glob(f"{pattern}/config.json"))
    return sorted({str(path.parent).removesuffix("/model") for path in found})


def require_sequence(text: str) -> None:
    """Raises DataError if letters or FASTA:RECORD:FIRST-LAST name a file that does not exist."""
    file, _ = split_at_file(text)
    if file is None and "://" in text:
        local(text)
    if file is None and set(text) & set(":./"):
        require_file(Path(text.partition(":")[0]))


def split_at_file(text: str) -> tuple[Path | None, str]:
    """The file that `text` begins with, up to one of its colons or its end, and what follows the colon."""
    parts = text.split(":")
    for n in range(len(parts), 0, -1):
        if os.path.isfile(file := ":".join(parts[:n])):
            return Path(file), ":".join(parts[n:])
    return None, ""


def with_absolute_file(text: str) -> str:
    """The same with an absolute path to its file; unchanged if it names none.

    A bare name without a dot is unchanged: it is a record's, though a file may have the same name.
    """
    file, name = split_at_file(text)
    if file is None or (file.name == str(file) and not file.suffix):
        return text
    return ":".join([os.path.abspath(file), *([name] if name else [])])


def require_strategies(names: Iterable[str]) -> None:
    """Raises SettingsError for a name that no strategy can have; their parameters are checked when they are built."""
    for text in names:
        written = read_name(text)
        if not written.file:
            require_known("masking strategy", [written.name], strategy_names())
        elif not os.path.isfile(written.file):
            raise SettingsError(
                f"there is no file {written.file} with masking strategies; give its path from {_here()}."
                + (" In a curriculum, put it in brackets: first=(my_masks.py:mine)." if "=" in text else "")
            )


def require_known(what: str, words: Iterable[str], known: Collection[str]) -> None:
    """Raises SettingsError for the first word that is not known."""
    for word in words:
        if word not in known:
            raise SettingsError(f"unknown {what} {word!r}; use one of: {', '.join(known)}.{did_you_mean(word, known)}")


def local(text: str | Path) -> Path:
    """A path on this machine."""
    if not str(text).strip():
        raise SettingsError("a path is empty; give the name of a file or folder.")
    if "://" in str(text):
        raise SettingsError(f"{text}: URLs are not read; download the file first, and name it here.")
    return Path(text)


def _here() -> str:
    """The current folder, which may have been removed."""
    try:
        return os.getcwd()
    except OSError:
        return "which no longer exists"


def _neighbours(path: Path) -> list[str]:
    """Names in the folder that `path` should be in."""
    try:
        return os.listdir(path.parent)
    except OSError:
        return []
