"""Names of strategies as people write them: text in, its parts out; nothing is looked up, run or imported.

`NAME`, `NAME:key=value`, with any number of parameters, and `FILE.py:NAME...` for a strategy of your own. A value may
be in brackets, and must be if it holds a colon or comma, as a curriculum's strategy does:
`cm-step:first=(span:p=0.1)`.
"""

from itertools import accumulate
from typing import NamedTuple

from genomask.errors import SettingsError


class Written(NamedTuple):
    """The parts of a name."""

    file: str  # empty for a built-in strategy
    name: str
    parameters: dict[str, str]


def read_name(text: str) -> Written:
    """Parse `text`. Raises SettingsError if it has another form; looks nothing up and runs nothing."""
    parts = _split(text, ":")
    at = max((n for n, part in enumerate(parts) if "=" not in part), default=0)  # all after the name is key=value
    file, name = ":".join(parts[:at]), parts[at]
    pairs = [(key, _value(value, text)) for key, _, value in (part.partition("=") for part in parts[at + 1 :])]
    is_file = file.endswith(".py") and file != ".py"
    if not name or "=" in name or name.endswith(".py") or (at > 0 and not is_file) or "" in dict(pairs):
        raise SettingsError(
            f"{text!r} does not name a masking strategy; write NAME, NAME:key=value, or my_masks.py:NAME."
        )
    if len(dict(pairs)) < len(pairs):
        raise SettingsError(f"masking strategy {text!r} gives a parameter twice.")
    return Written(file, name, dict(pairs))


def read_list(text: str) -> tuple[str, ...]:
    """The names in `text`, separated by commas."""
    return tuple(name for part in _split(text, ",") if (name := part.strip()))


def _split(text: str, separator: str) -> list[str]:
    """The parts between separators; `=(` opens a bracket, in which nothing separates."""
    parts, depth = [""], 0
    for before, letter in zip(" " + text, text, strict=False):
        if letter == "(" and (depth or before == "="):
            depth += 1
        elif letter == ")" and depth:
            depth -= 1
        if letter == separator and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def _value(value: str, text: str) -> str:
    """A value of `text` without its brackets. Raises SettingsError if they do not enclose all of it."""
    if "=(" not in f"={value}":
        return value
    depths = list(accumulate((letter == "(") - (letter == ")") for letter in value))
    if value[0] != "(" or depths[-1] != 0 or 0 in depths[:-1]:
        raise SettingsError(f"masking strategy {text!r}: brackets go around a whole value, as in first=(span:p=0.1).")
    return value[1:-1]
