"""How a command may end: done (0), with one sentence (2), or stopped when asked to (143); no input is lost."""

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

MOST_BYTES = 2**30
"""Memory that a case may take: every input is small."""
STOPPED = 143
_RAW_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_WARNING = re.compile(r"^\S+\.py:\d+: \w*Warning: .*", re.MULTILINE)
_LEFTOVER = re.compile(r"\..+\.[0-9a-f]{6,8}")
_USAGE = re.compile(r"^(Usage: |╭─ Error )", re.MULTILINE)


class Outcome(NamedTuple):
    """How a command ended."""

    code: int | str  # its exit code, or 'traceback', or 'slow'
    out: str
    err: str
    error: str  # the traceback, if one escaped
    seconds: float
    peak_bytes: int  # resident, above what was resident before


def digests(roots: Iterable[Path], but: Collection[Path] = ()) -> dict[str, str]:
    """Hash of every file at or under `roots` that is not at or under one of `but`."""
    inputs = contents(roots).items()
    wanted = [(path, data) for path, data in inputs if not any(path.is_relative_to(other) for other in but)]
    return {str(path): hashlib.sha256(data).hexdigest() for path, data in wanted}


def contents(roots: Iterable[Path]) -> dict[Path, bytes]:
    """Every file at or under `roots`, except what a killed write of ours left, which the next start sweeps."""
    found = (path for root in roots for path in (root, *sorted(root.rglob("*"))) if path.is_file())
    files = [path for path in found if not _LEFTOVER.fullmatch(path.name)]
    return {path: path.read_bytes() for path in files}


def cut_short(earned: Mapping[Path, bytes]) -> list[str]:
    """Files that are gone, or no longer begin as they did: rows may have been added to them."""
    return [str(path) for path, data in earned.items() if not path.is_file() or not path.read_bytes().startswith(data)]


def faults(outcome: Outcome, before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str]:
    """What is wrong: the name of each fault -> what distinguishes it from others of its name."""
    found = {}
    if outcome.code == "traceback":
        found["traceback"] = place_of(outcome.error)
    elif outcome.code not in (0, 2, STOPPED, "slow"):
        found["exit code"] = str(outcome.code)
    if lost := sorted(name for name in before if after.get(name) != before[name]):
        found["input lost"] = ", ".join(lost)
    if outcome.code == 2 and (wrong := not_one_sentence(outcome.err)):
        found["message"] = wrong
    if raw := _RAW_CONTROL.search(outcome.out + outcome.err):
        found["control character"] = f"{raw[0]!r} is printed raw"
    if warned := _WARNING.search(outcome.err):
        found["warning"] = warned[0]
    if outcome.peak_bytes > MOST_BYTES:
        found["memory"] = f"{outcome.peak_bytes / 2**30:.1f} GiB"
    return found


def not_one_sentence(err: str) -> str:
    """Why stderr does not end in one sentence (earlier lines are log); empty if it does."""
    if _USAGE.search(err):
        return ""
    lines = err.rstrip("\n").split("\n")
    if not lines[-1].startswith("error: "):
        return f"the last line is {lines[-1][:120]!r}"
    if not lines[-1].removeprefix("error: ").strip():
        return "the sentence is empty"
    return f"a sentence of {len(lines[-1])} letters" if len(lines[-1]) > 2_000 else ""


def place_of(error: str) -> str:
    """Kind of the exception, and the last line of ours on the way to it."""
    lines = re.findall(r'File "[^"]*?(genomask/[^"]*\.py)", line (\d+)', error)
    where = ":".join(lines[-1]) if lines else "outside"
    raised = re.findall(r"^[\w.]+(?:Error|Exception|Warning|Interrupt|Iteration|Exit).*", error, re.MULTILINE)
    return f"{where} {(raised or ['?'])[-1][:160]}"
