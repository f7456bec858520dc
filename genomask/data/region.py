"""A part of a record, as samtools writes it, in; the record and positions from 0 out."""

import re
from collections.abc import Mapping

from genomask.errors import SettingsError, quoted, shown

MOST_NAMES = 10
"""Records that a message lists."""


def parse_region(text: str, lengths: Mapping[str, int]) -> tuple[str, int, int]:
    """Record, start and stop (from 0) of "chr1" or "chr1:1,001-2,000" (from 1, inclusive); `lengths` of the records.

    Raises SettingsError for a record or a part that is not there.
    """
    if text in lengths:
        return text, 0, lengths[text]
    match = re.fullmatch(r"(.+):([\d,]{1,24})-([\d,]{1,24})", text)
    name = match[1] if match else text
    if not match or name not in lengths:
        raise SettingsError(f"the genome has no record {quoted(name)}. Its records are: {_known(list(lengths))}.")
    first, last = (int(number.replace(",", "") or 0) for number in match.groups()[1:])
    if first > last:
        raise SettingsError(f"{text!r} ends before it begins: write the lower number first, NAME:FIRST-LAST.")
    if not 1 <= first <= last <= lengths[name]:
        raise SettingsError(
            f"{quoted(text)} is not a part of record {shown(name)}, which has bases 1-{lengths[name]:,}. "
            "Write NAME:FIRST-LAST, counted from 1, both ends included."
        )
    return name, first - 1, last


def _known(names: list[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(map(shown, names[:MOST_NAMES])) + (f" and {more} more" if more > 0 else "")
