"""Names of strategies as people write them: text in, the strategy (or curriculum) and its typed parameters out.

strategy_text.py defines how a name is spelt. The file of `FILE.py:NAME` is run as Python, and what it registers is
known only under that file's name.
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

NPMI_TABLES = ("table", "shuffled")
"""Values of the parameter `npmi`: the scores as counted, or the same scores shuffled among the k-mers."""


def check_name(text: str) -> None:
    """Refuse what cannot be a strategy or curriculum, without running any user's file that it may name."""
    if not read_name(text).file:
        for name in _within(text):
            if not read_name(name).file:
                find_strategy(name)


def find(text: str) -> tuple[StrategySpec | Curriculum, dict[str, Any]]:
    """What `text` names, and all of its parameters: those in `text`, and defaults.

    Raises SettingsError for an unknown name or parameter or an unsuitable value, also in the strategies of a
    curriculum. Runs the files that `text` names.
    """
    strategies_of(text)
    return _look_up(text)


def find_strategy(text: str, more: Mapping[str, object] = {}) -> tuple[StrategySpec, dict[str, Any]]:
    """Like `find`, for strategies alone; `more` parameters override those in `text`."""
    found, parameters = _look_up(text, more)
    if isinstance(found, Curriculum):
        raise SettingsError(f"{text!r} is a curriculum over the steps of a run, not a strategy; name a strategy.")
    return found, parameters


def strategies_of(text: str) -> dict[str, StrategySpec]:
    """The strategy that `text` names, or those of a curriculum, as written. Raises SettingsError like `find`."""
    return {name: find_strategy(name)[0] for name in _within(text)}


def own_files(text: str) -> dict[str, str]:
    """The user's files that `text` names, also within a curriculum, and the SHA-256 of each as it was run."""
    return {read_name(name).file: spec.source for name, spec in strategies_of(text).items() if spec.source}


def parameters_of(found: StrategySpec | Curriculum) -> dict[str, object]:
    """Parameters and their defaults; every strategy that reads the NPMI can also be given it shuffled."""
    return ({"npmi": NPMI_TABLES[0]} if _reads_npmi(found) else {}) | found.parameters


def strategies_in(file: str) -> dict[str, StrategySpec]:
    """Run a user's file; returns the strategies it registers, which leave the built-in ones unchanged."""
    try:
        source = Path(file).read_bytes()
    except OSError as error:
        raise SettingsError(
            f"there is no file {file} with masking strategies ({error.strerror}); give its path from {Path.cwd()}."
            + (" In a curriculum, put it in brackets: first=(my_masks.py:mine)." if "=" in file else "")
        ) from error
    return _run(file, hashlib.sha256(source).hexdigest())


@functools.cache
def _run(file: str, source: str) -> dict[str, StrategySpec]:
    """What the file registers; it is run once for each content (whose fingerprint is `source`)."""
    built_in = dict(STRATEGIES)
    try:
        runpy.run_path(file)
        mine = {name: spec for name, spec in STRATEGIES.items() if spec is not built_in.get(name)}
    except (Exception, SystemExit) as error:  # a user's code may raise anything
        raise SettingsError(_failure(file, error)) from error
    finally:
        STRATEGIES.clear()
        STRATEGIES.update(built_in)
    return {name: replace(spec, source=source) for name, spec in mine.items()}


def _failure(file: str, error: BaseException) -> str:
    """What a user's file raised, and its last line in the traceback; invalid Python may be in an import."""
    if isinstance(error, SyntaxError):
        lines, file, what = [error.lineno], error.filename or file, f"not valid Python ({error.msg}); fix it there."
    else:
        frames = traceback.extract_tb(error.__traceback__)
        lines, what = [frame.lineno for frame in frames if frame.filename == file], " ".join(str(error).split())
        module = Path(file).parent / str(getattr(error, "name", "")).partition(".")[0]
        if isinstance(error, ModuleNotFoundError) and (module.exists() or module.with_suffix(".py").exists()):
            what = (
                f"{error.name} lies beside the file but is not imported, as a change to it would go unnoticed when a "
                "run is resumed or a rate looked up; move its code into the file, or install it as a package."
            )
        elif not isinstance(error, UserError):
            what = f"it fails when run ({type(error).__name__}: {what}); fix it there."
    return f"{file}, line {lines[-1]}: {what}" if lines and lines[-1] else f"{file}: {what}"


def _look_up(text: str, more: Mapping[str, object] = {}) -> tuple[StrategySpec | Curriculum, dict[str, Any]]:
    """Like `find`, but the strategies of a curriculum may be any text."""
    written = read_name(text)
    known: dict[str, StrategySpec | Curriculum] = (
        {**strategies_in(written.file)} if written.file else {**STRATEGIES, **CURRICULA}
    )
    if written.name not in known:
        where = f"{written.file} registers no" if written.file else "unknown"
        names = f"use one of: {', '.join(sorted(known))}" if known else "decorate a function with @strategy"
        near = did_you_mean(written.name, known)
        raise SettingsError(f"{where} masking strategy {written.name!r}; {names}.{near}")
    found, given = known[written.name], {**written.parameters, **more}
    defaults = parameters_of(found)
    for key in given:
        if key not in defaults:
            names, near = ", ".join(defaults) or "none", did_you_mean(key, defaults)
            inner = " Parameters of an inner strategy go in brackets: first=(span:p=0.1)."
            raise SettingsError(
                f"masking strategy {text!r} has no parameter {key!r}; its parameters: {names}.{near}"
                + (inner if isinstance(found, Curriculum) else "")
            )
    typed = {key: _as_type_of(defaults[key], value, f"{text!r}: {key}") for key, value in given.items()}
    if _reads_npmi(found) and typed.get("npmi", NPMI_TABLES[0]) not in NPMI_TABLES:
        raise SettingsError(f"masking strategy {text!r}: npmi must be one of {', '.join(NPMI_TABLES)}.")
    return found, {**defaults, **typed}


def _within(text: str) -> list[str]:
    """The strategies of a curriculum, as written; of a strategy, only itself."""
    found, parameters = _look_up(text)
    return [parameters[key] for key in found.strategies] if isinstance(found, Curriculum) else [text]


def _reads_npmi(found: StrategySpec | Curriculum) -> bool:
    return isinstance(found, StrategySpec) and "npmi" in found.needs


def _as_type_of(default: object, value: object, what: str) -> object:
    """A value, or its text, as the default's type. Raises SettingsError where it is not of that type."""
    kind: Any = type(default)
    if isinstance(value, str) and kind is bool:
        value = {"true": True, "false": False}.get(value.lower(), value)
    elif isinstance(value, str):
        with contextlib.suppress(ValueError):  # it stays text, which is refused below
            value = kind(value)
    return checked(value, kind, f"masking strategy {what}")
