"""The [masking] table of a recipe."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from genomask.errors import SettingsError
from genomask.masking.names import check_name
from genomask.masking.npmi import Definition, check_npmi_settings
from genomask.masking.rates import Match


@dataclass(frozen=True, kw_only=True)
class MaskSettings:
    """How tokens are hidden in training."""

    strategy: str = "random-span"
    """What is hidden: a strategy or curriculum, such as genemask, span:p=0.1 or my_masks.py:mine."""
    mask_rate: float = 0.15
    """Share asked for, between 0 and 1."""
    match: str = "tokens"
    """What mask_rate is a share of: "tokens" masked, "bases" hidden, or "none" for the published probabilities."""
    corruption: str = "span"
    """One 80/10/10 draw per "span", or per "token"."""
    npmi_min_count: int = 101
    """n-grams counted less often have no NPMI; at least 2."""
    npmi_definition: Definition = "exact"
    """"exact" (all segmentations) or "released" (the published table's)."""

    def __post_init__(self) -> None:
        if not 0 < self.mask_rate < 1:
            raise SettingsError(f"masking.mask_rate must lie between 0 and 1, got {self.mask_rate}.")
        check_npmi_settings(self.npmi_min_count, self.npmi_definition, "forward", "masking.npmi_")
        check_name(self.strategy)
        _check("match", self.match, get_args(Match))
        _check("corruption", self.corruption, ("span", "token"))


def _check(field: str, value: str, known: Sequence[str]) -> None:
    """Refuse a value that is not among the known ones."""
    if value not in known:
        raise SettingsError(f"masking.{field} must be one of {', '.join(known)}; got {value!r}.")
