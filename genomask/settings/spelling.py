"""What a mistyped word was probably meant to be."""

from collections.abc import Iterable
from difflib import get_close_matches

SLIP, ALIKE = 0.85, 0.6
"""Least similarity of two words, from 0 to 1: where a letter or two differ, and where they are only alike."""
LEAST_PART = 3
"""Fewest letters of a word that is looked for within others."""


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """' Did you mean 'steps'?', or nothing where no known word is near.

    A slip of a letter comes first, then a name that ends with the word, one that contains it, and one spelt alike.
    """
    by_small, small = {name.lower(): name for name in known}, str(word).lower()
    ends = [name for name in by_small if name.endswith(small)] if len(small) >= LEAST_PART else []
    holds = [name for name in by_small if small in name] if len(small) >= LEAST_PART else []
    for names, cutoff in ((by_small, SLIP), (ends, 0.0), (holds, 0.0), (by_small, ALIKE)):
        if near := get_close_matches(small, names, n=1, cutoff=cutoff):
            return f" Did you mean {by_small[near[0]]!r}?"
    return ""
