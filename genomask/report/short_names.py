"""Names where there is little room: paths distinguished by their last parts, long names cut in the middle.

Tables and sentences keep names whole; only pictures cut them.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from rich.cells import cell_len

from genomask.terminal.console import printable

IN_A_LEGEND, BESIDE_A_PANEL = 36, 24
"""Letters that there is room for: a legend may give a name a line of its own, names beside a panel narrow it.

East Asian letters are as wide as two.
"""
GAP = "..."


def short_names(paths: Sequence[str]) -> dict[str, str]:
    """Each path -> its last parts that distinguish it from the others; a folder `model` is named after its run."""
    parts = {path: [x for x in path.split("/") if x not in ("", "model")] or [path] for path in paths}
    for n in range(1, max(map(len, parts.values()), default=0) + 1):
        short = {path: "/".join(words[-n:]) for path, words in parts.items()}
        if len(set(short.values())) == len(paths):
            return short
    return {path: path for path in paths}


def short_label(name: str, most: int) -> str:
    """A name that fits into a picture: without control characters, and cut in the middle if it is long.

    Its end often says what its beginning does not, such as a seed.
    """
    name = printable(name)
    if cell_len(name) <= most:
        return name
    tail = (most - len(GAP)) // 2
    return _beginning(name, most - len(GAP) - tail) + GAP + _beginning(name[::-1], tail)[::-1]


def short_labels(names: Iterable[str], most: int) -> dict[str, str]:
    """Each name -> its `short_label`; those that are equal once they are cut are numbered in order."""
    cut = {name: short_label(name, most) for name in names}
    alike, seen = Counter(cut.values()), Counter[str]()
    for name, label in cut.items():
        if alike[label] > 1:
            seen[label] += 1
            cut[name] = f"{label} ({seen[label]})"
    return cut


def _beginning(text: str, room: int) -> str:
    """As many letters as there is room for."""
    text = text[:room]
    while cell_len(text) > room:
        text = text[:-1]
    return text
