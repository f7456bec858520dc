"""Names of strategies as people write them: text in, the strategy (or curriculum) and its typed parameters out.

How a name is spelt is strategy_text.py's part. The file of `FILE.py:NAME` is run as Python, and what it registers is
known under that file's name alone.
"""

import contextlib
import functools
import hashlib
import runpy
import traceback
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from genomask.errors import SettingsError, UserError
from genomask.masking.curricula import CURRICULA, Curriculum
from genomask.masking.registry import STRATEGIES, StrategySpec
from genomask.settings.spelling import did_you_mean
from genomask.settings.strategy_text import read_name
from genomask.settings.table import checked

_BOOLS = {"true": True, "false": False}
NPMI_TABLES = ("table", "shuffled")
"""Values of the parameter `npmi`: the scores as counted, or the same scores dealt out anew among the k-mers."""


def check_name(text: str) -> None:
    """Refuse what cannot be a strategy or curriculum, without running any file of one's own that it may lie in."""
    if not read_name(text).file:
        for name in _within(text):
            if not read_name(name).file:
                find_strategy(name)


def find(text: str) -> tuple[StrategySpec | Curriculum, dict[str, Any]]:
    """What `text` names, and all of its parameters, those in `text` and defaults.

    Raises SettingsError for an unknown name or parameter or an unsuitable value, also in the strategies of a
    curriculum. Runs the files that `text` names.
    """
    strategies_of(text)
    return _look_up(text)


def find_strategy(text: str, more: Mapping[str, object] = {}) -> tuple[StrategySpec, dict[str, Any]]:
    """As `find`, for strategies alone; `more` parameters go before those in `text`."""
    found, parameters = _look_up(text, more)
    if isinstance(found, Curriculum):
        raise SettingsError(f"{text!r} is a curriculum over the steps of a training run, and no strategy; name one.")
    return found, parameters


def strategies_of(text: str) -> dict[str, StrategySpec]:
    """The strategy that `text` names, or those of a curriculum, as they are written. Raises SettingsError as `find`."""
    return {name: find_strategy(name)[0] for name in _within(text)}


def own_files(text: str) -> dict[str, str]:
    """The files of one's own that `text` names, also within a curriculum, and the SHA-256 of what was run of each."""
    return {read_name(name).file: spec.source for name, spec in strategies_of(text).items() if spec.source}


def parameters_of(found: StrategySpec | Curriculum) -> dict[str, object]:
    """Parameters and their defaults; every strategy that reads the NPMI can also be given it shuffled."""
    return ({"npmi": NPMI_TABLES[0]} if _reads_npmi(found) else {}) | found.parameters


def strategies_in(file: str) -> dict[str, StrategySpec]:
    """Run a person's own file; the strategies it registers, which leave the built-in ones as they are."""
    try:
        source = Path(file).read_bytes()
    except OSError as error:
        raise SettingsError(
            f"there is no file {file} with masking strategies ({error.strerror}); give its path from {Path.cwd()}."
            + (" Within a curriculum it goes in brackets: first=(my_masks.py:mine)." if "=" in file else "")
        ) from error
    return _run(file, hashlib.sha256(source).hexdigest())


@functools.cache
def _run(file: str, source: str) -> dict[str, StrategySpec]:
    """What the file registers, run once for each content (its fingerprint is `source`)."""
    built_in = dict(STRATEGIES)
    try:
        runpy.run_path(file)
        mine = {name: spec for name, spec in STRATEGIES.items() if spec is not built_in.get(name)}
    except (Exception, SystemExit) as error:  # a person's code may raise anything
        raise SettingsError(_failure(file, error)) from error
    finally:
        STRATEGIES.clear()
        STRATEGIES.update(built_in)
    return {name: replace(spec, source=source) for name, spec in mine.items()}


def _failure(file: str, error: BaseException) -> str:
    """What a person's file raised, and the last of its lines on the way there; invalid Python may be in an import."""
    if isinstance(error, SyntaxError):
        return f"{_place(error.filename or file, error.lineno)}: not valid Python ({error.msg}); mend it there."
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    where, what = _place(file, lines[-1] if lines else None), " ".join(str(error).split())
    if isinstance(error, UserError):
        return f"{where}: {what}"
    if isinstance(error, ModuleNotFoundError) and _lies_beside(file, error.name or ""):
        return (
            f"{where}: {error.name} lies beside the file and is not found, for a change of it would go unnoticed when "
            "a run is resumed or a rate looked up; write it into the file, or install it as a package."
        )
    return f"{where}: it fails when it is run ({type(error).__name__}: {what}); mend it there."


def _lies_beside(file: str, module: str) -> bool:
    return any((Path(file).parent / module.partition(".")[0]).with_suffix(ending).exists() for ending in ("", ".py"))


def _place(file: str, line: int | None) -> str:
    return f"{file}, line {line}" if line else file


def _look_up(text: str, more: Mapping[str, object] = {}) -> tuple[StrategySpec | Curriculum, dict[str, Any]]:
    """As `find`, the strategies of a curriculum being any text."""
    written = read_name(text)
    known: dict[str, StrategySpec | Curriculum] = (
        {**strategies_in(written.file)} if written.file else {**STRATEGIES, **CURRICULA}
    )
    if written.name not in known:
        where = f"{written.file} registers no" if written.file else "unknown"
        names = f"use one of: {', '.join(sorted(known))}" if known else "decorate a function with @strategy"
        near = did_you_mean(written.name, known)
        raise SettingsError(f"{where} masking strategy {written.name!r}; {names}.{near}")
    found = known[written.name]
    parameters = _typed(text, found, {**written.parameters, **more})
    if _reads_npmi(found) and parameters["npmi"] not in NPMI_TABLES:
        raise SettingsError(f"masking strategy {text!r}: npmi must be one of {', '.join(NPMI_TABLES)}.")
    return found, parameters


def _within(text: str) -> list[str]:
    """The strategies of a curriculum, as written; a strategy is its own only one."""
    found, parameters = _look_up(text)
    return [parameters[key] for key in found.strategies] if isinstance(found, Curriculum) else [text]


def _reads_npmi(found: StrategySpec | Curriculum) -> bool:
    return isinstance(found, StrategySpec) and "npmi" in found.needs


def _typed(text: str, found: StrategySpec | Curriculum, given: Mapping[str, object]) -> dict[str, object]:
    """The defaults, replaced by what is given in the type of the default."""
    defaults = parameters_of(found)
    for key in given:
        if key not in defaults:
            known = ", ".join(defaults) or "none"
            inner = (
                " Those of a strategy within go in brackets: first=(span:p=0.1)."
                if isinstance(found, Curriculum)
                else ""
            )
            near = did_you_mean(key, defaults)
            raise SettingsError(
                f"masking strategy {text!r} has no parameter {key!r}; its parameters: {known}.{near}{inner}"
            )
    return {**defaults, **{key: _as_type_of(defaults[key], value, f"{text!r}: {key}") for key, value in given.items()}}


def _as_type_of(default: object, value: object, what: str) -> object:
    """A value, or its text, as the default's type. Raises SettingsError where it is not of that type."""
    kind: Any = type(default)
    if isinstance(value, str) and kind is bool:
        value = _BOOLS.get(value.lower(), value)
    elif isinstance(value, str):
        with contextlib.suppress(ValueError):  # it stays text, which is refused below
            value = kind(value)
    return checked(value, kind, f"masking strategy {what}")
