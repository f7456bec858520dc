"""What a mistyped word was probably meant to be."""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """' Did you mean 'steps'?', or nothing where no known word is near."""
    by_small = {name.lower(): name for name in known}
    near = get_close_matches(str(word).lower(), by_small, n=1)
    return f" Did you mean {by_small[near[0]]!r}?" if near else ""
